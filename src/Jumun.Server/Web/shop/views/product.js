import { get, post, put, watch } from '../api.js';
import { drawing } from '../art.js';
import * as session from '../session.js';
import { actionButton, backLink, badge, enable, field, h, heading, liveBadge, moving, noteSlot, orderFacts, write, writeName } from '../ui.js';
import { money, number, say } from '../words.js';

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

  const addButton = actionButton(say('addToCart'), 'wide', async () => {
    try {
      const { items } = await get(`/members/${member}/cart`);
      const already = items.find(item => item.productId === current.productId)?.quantity ?? 0;
      await put(`/members/${member}/cart/items/${id}`, { quantity: already + wanted() });
      slot.tell('good', say('added'), h('p', {}, h('a', { href: '#/cart' }, say('cart'))));
      refresh();
    } catch (error) {
      slot.refuse(error);
    }
  });
  const orderButton = actionButton(say('orderNow'), 'primary wide', async () => {
    try {
      const order = await post(`/order/${member}`, {
        items: [{ productId: current.productId, quantity: wanted() }],
        expectedTotal: current.price * wanted(),
      });
      location.hash = `#/orders/${order.orderId}`;
    } catch (error) {
      slot.refuse(error, orderFacts(names));
    }
  });

  function show(now) {
    current = now;
    writeName(name, current.name);
    write(price, money(current.price));
    moving(stock, number(current.stock));
    const isFor = current.onSale && current.stock > 0;
    enable(addButton, current.onSale);
    enable(orderButton, isFor);
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
  watch(`/products/${id}/live`, event => show(event.product), isLive => live.tell(isLive), signal).catch(error => slot.refuse(error));
  return h('div', { class: 'stack' }, backLink(say('products'), '#/products'),
    h('div', { class: 'sides' }, h('div', { class: 'stack' }, name, h('div', { class: 'frame' }, drawing(current.productId))), panel));
}
