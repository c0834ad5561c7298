import { get, post, put, watch } from '../api.js';
import { drawing } from '../art.js';
import * as session from '../session.js';
import { actionButton, backLink, badge, enable, field, h, heading, liveBadge, moving, noteSlot, orderFacts, toast, write, writeName } from '../ui.js';
import { money, number, say } from '../words.js';

/** Refusals that say that the product is another by now. */
const changes = ['price_changed', 'out_of_stock', 'product_not_on_sale'];

/** One product with its stock as it changes; into the cart, or ordered at once. */
export async function product({ parameters: [id], signal, refresh }) {
  const member = session.member();
  let current = await get(`/products/${id}`, signal);
  const names = new Map([[current.productId, current.name]]);
  const name = heading('');
  const price = h('p', { class: 'price price-large' });
  const stock = h('span', { class: 'value' });
  const state = h('p', { class: 'badge-line' });
  const live = liveBadge();
  const slot = noteSlot();
  const quantity = h('input', { type: 'number', inputmode: 'numeric', min: '1', max: '10000', value: '1', class: 'quantity' });
  const wanted = () => Number(quantity.value);

  // What the cart was asked for without an answer: where it has that by now, the same is asked for again, and no more.
  let adding = null;

  const addButton = actionButton(say('addToCart'), 'wide', async () => {
    try {
      const { items } = await get(`/members/${member}/cart`);
      const inCart = items.find(item => item.productId === current.productId)?.quantity ?? 0;
      const before = inCart === adding?.quantity ? adding.before : inCart;
      adding = { before, quantity: before + wanted() };
      await put(`/members/${member}/cart/items/${id}`, { quantity: adding.quantity });
      adding = null;
      slot.tell('good', say('added'), h('p', {}, h('a', { href: '#/cart' }, say('cart'))));
      refresh();
    } catch (error) {
      slot.refuse(error);
    }
  });

  // The order whose outcome is not known: pressed again it is the same one, whatever the price is by then.
  let ordering = null;

  const orderButton = actionButton(say('orderNow'), 'primary wide', async () => {
    if (ordering?.items[0].quantity !== wanted()) {
      ordering = { items: [{ productId: current.productId, quantity: wanted() }], expectedTotal: current.price * wanted() };
    }

    try {
      const order = await post(`/order/${member}`, ordering);
      if (order.isEarlier) {
        toast(say('orderedEarlier'));
      }

      location.hash = `#/orders/${order.orderId}`;
    } catch (error) {
      slot.refuse(error, orderFacts(names));
      ordering = error.isUnsure ? ordering : null;
      if (changes.includes(error.code)) {
        await lookAgain();
      }

      show(current);
    }
  });

  /** The product as it is now; what the stream told meanwhile is newer. */
  async function lookAgain() {
    const before = current;
    const now = await get(`/products/${id}`, signal).catch(() => before);
    current = current === before ? now : current;
  }

  function show(now) {
    current = now;
    writeName(name, current.name);
    write(price, money(current.price));
    moving(stock, number(current.stock));
    const isFor = current.onSale && current.stock > 0;
    enable(addButton, current.onSale);
    enable(orderButton, isFor || ordering !== null);
    panel.classList.toggle('is-gone', !isFor);
    const word = current.onSale ? say('soldOut') : say('notOnSale');
    if (isFor) {
      state.replaceChildren();
    } else if (state.textContent !== word) {
      state.replaceChildren(badge(word, 'bad pop'));
    }
  }

  const panel = h('div', { class: 'card' },
    h('div', { class: 'row apart' }, price, live.element),
    h('div', { class: 'figure' }, h('span', { class: 'name' }, say('inStock')), stock),
    h('div', { role: 'status' }, state),
    field(say('quantity'), quantity),
    h('div', { class: 'stack tight' }, orderButton, addButton),
    slot);
  show(current);
  watch(`/products/${id}/live`, event => show(event.product), isLive => live.tell(isLive), signal, true).catch(error => slot.refuse(error));
  return h('div', { class: 'stack' }, backLink(say('products'), '#/products'),
    h('div', { class: 'sides' }, h('div', { class: 'stack' }, name, h('div', { class: 'frame' }, drawing(current.productId))), panel));
}
