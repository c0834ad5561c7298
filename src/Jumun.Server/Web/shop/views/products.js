import { get, getAll } from '../api.js';
import { drawing } from '../art.js';
import * as clock from '../clock.js';
import { actionButton, everySeconds, field, h, heading, named, noteSlot, stockBadge, write, writeName } from '../ui.js';
import { discount, duration, money, say } from '../words.js';
import { isNear, stateOf } from './coupons.js';

const pageItems = 24;
const mostItems = 96;
const secondsBetween = 3;

/** What is on sale, with its stock as it is, a search, and what sold most. */
export async function products({ query, signal }) {
  let wanted = query.get('query') ?? '';
  let shown = pageItems;
  const cards = new Map();
  const grid = h('ul', { class: 'grid dense plain' });
  const found = h('p', { class: 'muted small', role: 'status' });
  const none = h('p', { class: 'empty', hidden: true }, say('foundNone'));
  const more = actionButton(say('more'), 'wide', async () => {
    shown = Math.min(shown + pageItems, mostItems);
    await load().catch(error => slot.refuse(error));
  });
  const beyond = h('p', { class: 'muted small', hidden: true }, say('searchForMore'));
  const slot = noteSlot();
  const topList = h('ol', { class: 'top plain' });

  async function load() {
    const [asked, count] = [wanted, shown];
    const page = await get(`/products?limit=${count}${asked === '' ? '' : `&query=${encodeURIComponent(asked)}`}`, signal);
    if (asked !== wanted || count !== shown) {
      return;
    }

    const ids = new Set(page.items.map(item => item.productId));
    for (const [id, card] of cards) {
      if (!ids.has(id)) {
        card.element.remove();
        cards.delete(id);
      }
    }

    page.items.forEach((item, place) => {
      const card = cards.get(item.productId) ?? newCard(item.productId);
      card.show(item);
      if (grid.children[place] !== card.element) {
        grid.insertBefore(card.element, grid.children[place] ?? null);
      }
    });
    more.hidden = page.next === null || count === mostItems;
    beyond.hidden = page.next === null || count < mostItems;
    none.hidden = page.items.length > 0;
    write(found, say('found', page.next === null ? page.items.length : `${page.items.length}+`));
    slot.clear();
  }

  function newCard(productId) {
    const name = h('h2', { class: 'card-title' });
    const price = h('p', { class: 'price' });
    const stock = h('p', {});
    const element = h('li', {}, h('a', { class: 'card small-card product-card', href: `#/products/${productId}` }, drawing(productId), name, h('div', { class: 'product-end' }, price, stock)));
    const card = {
      element,
      show(item) {
        writeName(name, item.name);
        write(price, money(item.price));
        const badge = stockBadge(item);
        if (stock.textContent !== badge.textContent) {
          stock.replaceChildren(badge);
        }
      },
    };
    cards.set(productId, card);
    return card;
  }

  async function loadTop() {
    const { items } = await get('/products/top', signal);
    topList.replaceChildren(...(items.length === 0
      ? [h('li', { class: 'muted' }, say('topNone'))]
      : items.map(item => h('li', {}, h('a', { href: `#/products/${item.productId}` },
        h('span', { class: 'rank', 'aria-hidden': 'true' }, String(item.rank)), h('span', { class: 'top-name' }, named(item.name)), h('span', { class: 'muted small nowrap' }, say('sold', item.soldQuantity)))))));
  }

  const search = h('input', { type: 'search', value: wanted, maxlength: '200', autocomplete: 'off' });
  let typing;
  const look = () => {
    if (signal.aborted) {
      // The address is another view's by now.
      return;
    }

    wanted = search.value.trim();
    history.replaceState(null, '', wanted === '' ? '#/products' : `#/products?query=${encodeURIComponent(wanted)}`);
    shown = pageItems;
    load().catch(error => slot.refuse(error));
  };
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(look, 200);
  });
  const form = h('form', { role: 'search', class: 'search', onsubmit: event => {
    event.preventDefault();
    clearTimeout(typing);
    look();
  } }, field(say('search'), search));

  const banner = h('div', { class: 'banner-slot' });
  // What stands beside the products comes when it comes.
  loadTop().catch(() => {});
  showBanner(banner, signal).catch(() => {});
  await load();
  everySeconds(secondsBetween, load, signal);
  everySeconds(secondsBetween, loadTop, signal);
  return h('div', { class: 'sides' },
    h('div', { class: 'stack' }, heading(say('products')), banner, form, found, slot, grid, none, more, beyond),
    h('aside', { class: 'card flat', 'aria-labelledby': 'top-title' },
      h('h2', { id: 'top-title' }, say('top')), h('p', { class: 'muted small' }, say('topLead')), topList));
}

/** The coupon that opens next, when that is soon enough to wait for it: how long until then, and the way to it. */
async function showBanner(slot, signal) {
  const coupons = await getAll('/coupons', signal);
  const [next] = coupons.filter(coupon => stateOf(coupon)[0] === 'soon' && isNear(coupon)).sort((one, other) => Date.parse(one.issueFrom) - Date.parse(other.issueFrom));
  if (next === undefined) {
    return;
  }

  const opens = h('span', { class: 'badge accent number', role: 'timer' });
  slot.replaceChildren(h('a', { class: 'banner', href: `#/coupons/${next.couponId}` },
    h('span', { class: 'banner-name' }, h('strong', {}, discount(next.discount)), ' ', h('span', {}, named(next.name))), opens));
  clock.countdown(Date.parse(next.issueFrom), seconds => write(opens, say('opensIn', duration(seconds))), () => {
    opens.className = 'badge good';
    write(opens, say('opened'));
  }, signal);
}
