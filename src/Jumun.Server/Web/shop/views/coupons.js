import { get, getAll } from '../api.js';
import * as clock from '../clock.js';
import * as session from '../session.js';
import { badge, everySeconds, h, heading, named, pagedList, write, writeName } from '../ui.js';
import { discount, duration, money, number, say, time } from '../words.js';

const secondsBetween = 3;
const nearSeconds = 3600;

/** All coupons with what remains, and those that the member holds. */
export async function coupons({ signal }) {
  const member = session.member();
  const cards = new Map();
  const list = h('ul', { class: 'grid plain' });

  async function load() {
    const all = await getAll('/coupons', signal);
    all.forEach((coupon, place) => {
      const card = cards.get(coupon.couponId) ?? newCard(coupon, signal);
      cards.set(coupon.couponId, card);
      card.show(coupon);
      if (list.children[place] !== card.element) {
        list.insertBefore(card.element, list.children[place] ?? null);
      }
    });
  }

  const mine = h('ul', { class: 'plain stack tight' });
  const [{ count, footer }] = await Promise.all([
    pagedList(`/members/${member}/coupons`, mineOf, mine, path => get(path, signal)),
    load(),
  ]);
  everySeconds(secondsBetween, load, signal);
  return h('div', { class: 'stack wide' },
    h('div', { class: 'stack' }, h('div', { class: 'stack tight' }, heading(say('coupons')), h('p', { class: 'muted' }, say('couponsLead'))), list),
    h('section', { class: 'stack', 'aria-labelledby': 'mine' }, h('h2', { id: 'mine' }, say('myCoupons')),
      count === 0 ? h('p', { class: 'empty' }, say('myCouponsNone')) : mine, footer));
}

/** Where a coupon is in its life, by the server's clock: its word, and the badge's colour. */
export function stateOf(coupon) {
  const now = clock.now();
  return now < Date.parse(coupon.issueFrom) ? ['soon', 'accent']
    : now >= Date.parse(coupon.issueUntil) ? ['closed', '']
    : coupon.remaining === 0 ? ['gone', 'bad']
    : ['open', 'good'];
}

/** What a coupon is good for, in a line. */
export const termsOf = ({ discount: { maximum }, minimumOrderAmount, usableUntil }) => [
  maximum === undefined ? null : say('atMost', money(maximum)), minimumOrderAmount > 0 ? say('minimum', money(minimumOrderAmount)) : null,
  say('usableUntil', time(usableUntil))].filter(one => one !== null).join(' · ');

/** The colours of what became of a member's coupon. */
export const statusKinds = { available: 'good', held: 'warn', used: '', expired: 'bad' };

/** Whether a coupon opens soon enough to wait for it. */
export const isNear = coupon => Date.parse(coupon.issueFrom) - clock.now() < nearSeconds * 1000;

function newCard(coupon, signal) {
  const state = h('p', {});
  const left = h('p', { class: 'small number' });
  const bar = h('progress', { max: String(coupon.quantity), 'aria-label': say('remaining') });
  const name = h('h2', { class: 'card-title' });
  const off = h('p', { class: 'price' });
  const element = h('li', {}, h('a', { class: 'card small-card', href: `#/coupons/${coupon.couponId}` },
    h('div', { class: 'row apart' }, off, state), name, bar, left));
  const count = clock.resettable(signal);
  let current;
  const card = {
    element,
    show(now) {
      current = now;
      const [word, kind] = stateOf(now);
      if (state.textContent !== say(word)) {
        state.replaceChildren(badge(say(word), kind));
      }

      writeName(name, now.name);
      write(off, discount(now.discount));
      bar.max = now.quantity;
      bar.value = now.remaining;
      bar.classList.toggle('soon', word === 'soon');
      if (word === 'soon' && isNear(now)) {
        count.to(Date.parse(now.issueFrom), seconds => write(left, say('opensIn', duration(seconds))), () => card.show(current));
      } else {
        count.stop();
        write(left, word === 'soon' ? say('opensAt', time(now.issueFrom)) : `${say('remaining')} ${number(now.remaining)} ${say('of', now.quantity)}`);
      }
    },
  };
  return card;
}

function mineOf(coupon) {
  return h('li', { class: 'card small-card flat' },
    h('div', { class: 'row apart' }, h('h3', { class: 'card-title' }, named(coupon.name)), badge(say('couponStatus')[coupon.status], statusKinds[coupon.status])),
    h('p', { class: 'muted small' }, [discount(coupon.discount), say('place', number(coupon.number)), termsOf(coupon)].join(' · ')));
}
