import { get, getAll, post, put, remove } from '../api.js';
import * as session from '../session.js';
import { actionButton, badge, discountOf, empty, enable, facts, field, h, heading, named, noteSlot, orderFacts } from '../ui.js';
import { discount, money, say } from '../words.js';

/** What the member means to order, with a coupon, and the total that the order must have. */
export async function cart({ signal, refresh }) {
  const member = session.member();
  const root = h('div', { class: 'stack' });
  const slot = noteSlot();
  const lines = h('tbody', {});
  const summary = h('div', { class: 'stack tight' });
  const chosen = h('select', {});
  const orderButton = actionButton(say('order'), 'primary wide', place);
  let current;

  const [first, coupons] = await Promise.all([
    get(`/members/${member}/cart`, signal), getAll(`/members/${member}/coupons?status=available`, signal)]);
  chosen.append(h('option', { value: '' }, say('noCoupon')), ...coupons.map(one => h('option', { value: String(one.couponId) },
    `${discount(one.discount)}: ${one.name}${one.minimumOrderAmount > 0 ? `, ${say('notForThis', money(one.minimumOrderAmount))}` : ''}`)));
  chosen.addEventListener('change', reckon);
  const best = coupons.map(one => [one, offOf(one, first.total)]).filter(([, off]) => off > 0).sort(([, one], [, other]) => other - one)[0];
  chosen.value = best === undefined ? '' : String(best[0].couponId);
  show(first);
  return root;

  function show(now) {
    current = now;
    refresh();
    if (current.items.length === 0) {
      root.replaceChildren(heading(say('cart')), slot, empty(h('p', {}, say('cartNone')), h('a', { class: 'button', href: '#/products' }, say('shop'))));
      return;
    }

    lines.replaceChildren(...current.items.map(lineOf));
    reckon();
    if (!root.contains(lines)) {
      root.replaceChildren(heading(say('cart')), h('div', { class: 'sides' },
        h('section', { class: 'card', 'aria-label': say('cart') }, h('table', { class: 'table folds' },
          h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, say('product')), h('th', { scope: 'col' }, say('quantity')),
            h('th', { scope: 'col', class: 'end' }, say('sum')), h('th', {}, h('span', { class: 'visually-hidden' }, say('remove'))))), lines)),
        h('section', { class: 'card', 'aria-labelledby': 'your-order' },
          h('h2', { id: 'your-order' }, say('yourOrder')), field(say('coupon'), chosen), summary, orderButton, slot,
          h('p', { class: 'muted small' }, say('orderLead')))));
    }
  }

  function lineOf(item) {
    const quantity = h('input', { type: 'number', inputmode: 'numeric', min: '1', max: '10000', value: String(item.quantity), class: 'quantity', 'aria-label': say('quantityOf', item.name) });
    quantity.addEventListener('change', () => change(() => put(`/members/${member}/cart/items/${item.productId}`, { quantity: Number(quantity.value) }), quantity));
    const removeButton = actionButton(say('remove'), 'quiet', () => change(() => remove(`/members/${member}/cart/items/${item.productId}`)));
    removeButton.setAttribute('aria-label', say('removeOf', item.name));
    return h('tr', {},
      h('th', { scope: 'row', class: 'line-name' }, h('span', { class: 'stack tight line-text' }, h('a', { href: `#/products/${item.productId}` }, named(item.name)), h('span', { class: 'muted small number' }, money(item.price)),
        item.stock < item.quantity ? h('span', {}, badge(item.stock === 0 ? say('soldOut') : say('onlyLeft', item.stock), 'bad')) : null)),
      h('td', { 'data-label': say('quantity') }, quantity),
      h('td', { 'data-label': say('sum'), class: 'end' }, money(item.price * item.quantity)),
      h('td', { class: 'end' }, removeButton));
  }

  /** Changes the cart, and shows it as the server has it then. */
  async function change(action, input) {
    const product = input?.getAttribute('aria-label');
    try {
      show(await action() ?? await get(`/members/${member}/cart`));
      slot.clear();
    } catch (error) {
      slot.refuse(error);
      input?.setAttribute('aria-invalid', 'true');
      return;
    }

    // The line was drawn anew: whoever works with the keyboard goes on where they were.
    lines.querySelector(`[aria-label="${CSS.escape(product ?? '')}"]`)?.focus();
  }

  function reckon() {
    const coupon = coupons.find(one => String(one.couponId) === chosen.value);
    const off = coupon === undefined ? 0 : offOf(coupon, current.total);
    summary.replaceChildren(facts(
      [say('subtotal'), money(current.total)],
      off > 0 ? [discountOf(coupon), `−${money(off)}`] : null,
      [say('total'), money(current.total - off), true]));
    enable(orderButton, current.items.length > 0);
    return { couponId: coupon?.couponId, expectedTotal: current.total - off };
  }

  async function place() {
    slot.clear();
    try {
      const order = await post(`/order/${member}`, { items: current.items.map(({ productId, quantity }) => ({ productId, quantity })), ...reckon() });
      refresh();
      location.hash = `#/orders/${order.orderId}`;
    } catch (error) {
      slot.refuse(error, orderFacts(new Map(current.items.map(item => [item.productId, item.name]))));
      if (error.code === 'price_changed' || error.code === 'out_of_stock') {
        show(await get(`/members/${member}/cart`).catch(() => current));
      }
    }
  }
}

/** What a coupon takes off an order, as the server reckons it; 0 for an order that is too small. */
function offOf({ discount: { kind, value, maximum }, minimumOrderAmount }, subtotal) {
  if (subtotal < minimumOrderAmount) {
    return 0;
  }

  // A percentage of a large order is more than a number can hold on the way.
  const off = kind === 'amount' ? value : Math.min(Number(BigInt(subtotal) * BigInt(value) / 100n), maximum ?? Infinity);
  return Math.min(off, subtotal);
}
