import { get, getAll, post, put, remove } from '../api.js';
import * as session from '../session.js';
import { actionButton, badge, discountOf, empty, enable, facts, field, h, heading, named, noteSlot, orderFacts, toast, write } from '../ui.js';
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
  const rows = new Map();
  let current;

  // Changes go one after another, and an order after all of them.
  let changing = Promise.resolve();
  let refusals = 0;

  const [first, coupons] = await Promise.all([
    get(`/members/${member}/cart`, signal), getAll(`/members/${member}/coupons?status=available`, signal)]);
  chosen.append(h('option', { value: '' }, say('noCoupon')), ...coupons.map(one => h('option', { value: String(one.couponId) },
    `${discount(one.discount)}: ${one.name}${one.minimumOrderAmount > 0 ? `, ${say('notForThis', money(one.minimumOrderAmount))}` : ''}`)));
  chosen.addEventListener('change', () => reckon(current.total));
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

    for (const [productId, row] of rows) {
      if (!current.items.some(item => item.productId === productId)) {
        row.element.remove();
        rows.delete(productId);
      }
    }

    current.items.forEach((item, place) => {
      const row = rows.get(item.productId) ?? newRow(item);
      rows.set(item.productId, row);
      row.show(item);
      if (lines.children[place] !== row.element) {
        lines.insertBefore(row.element, lines.children[place] ?? null);
      }
    });
    reckon(current.total);
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

  /** A line of the cart. What somebody types in it stays, whatever else changes. */
  function newRow({ productId, name }) {
    const path = `/members/${member}/cart/items/${productId}`;
    let inCart = null;
    const quantity = h('input', {
      type: 'number', inputmode: 'numeric', min: '1', max: '10000', class: 'quantity', 'aria-label': say('quantityOf', name), onchange: () => row.put(),
    });
    const removeButton = actionButton(say('remove'), 'quiet', () => change(async () => {
      await remove(path);
      // It is gone, whether or not the others can be read again.
      return get(`/members/${member}/cart`).catch(() => without(productId));
    }));
    removeButton.setAttribute('aria-label', say('removeOf', name));
    const price = h('span', { class: 'muted small number' });
    const short = h('span', {});
    const sum = h('td', { 'data-label': say('sum'), class: 'end' });
    const row = {
      element: h('tr', {},
        h('th', { scope: 'row', class: 'line-name' },
          h('span', { class: 'stack tight line-text' }, h('a', { href: `#/products/${productId}` }, named(name)), price, short)),
        h('td', { 'data-label': say('quantity') }, quantity),
        sum,
        h('td', { class: 'end' }, removeButton)),
      isTyped: () => Number(quantity.value) !== inCart,
      put: () => change(() => put(path, { quantity: Number(quantity.value) }), quantity),
      show(item) {
        if (inCart === null || !row.isTyped()) {
          quantity.value = String(item.quantity);
        }

        inCart = item.quantity;
        write(price, money(item.price));
        write(sum, money(item.price * item.quantity));
        short.hidden = item.stock >= item.quantity;
        short.replaceChildren(short.hidden ? '' : badge(item.stock === 0 ? say('soldOut') : say('onlyLeft', item.stock), 'bad'));
      },
    };
    return row;
  }

  /** Changes the cart, and shows it as the server has it then. */
  function change(action, input) {
    slot.clear();
    changing = changing.then(async () => {
      try {
        show(await action());
        input?.removeAttribute('aria-invalid');
      } catch (error) {
        refusals++;
        slot.refuse(error);
        input?.setAttribute('aria-invalid', 'true');
      }
    });
    return changing;
  }

  function without(productId) {
    const items = current.items.filter(item => item.productId !== productId);
    return { ...current, items, total: totalOf(items) };
  }

  function reckon(subtotal) {
    const coupon = coupons.find(one => String(one.couponId) === chosen.value);
    const off = coupon === undefined ? 0 : offOf(coupon, subtotal);
    summary.replaceChildren(facts(
      [say('subtotal'), money(subtotal)],
      off > 0 ? [discountOf(coupon), `−${money(off)}`] : null,
      [say('total'), money(subtotal - off), true]));
    enable(orderButton, current.items.length > 0);
    return { couponId: coupon?.couponId, expectedTotal: subtotal - off };
  }

  async function place() {
    // What is ordered is what stands there: also what is on its way, was typed just now, or got no answer.
    const before = refusals;
    const prices = new Map(current.items.map(item => [item.productId, item.price]));
    await changing;
    for (const row of [...rows.values()].filter(row => row.isTyped())) {
      await row.put();
    }

    if (refusals > before || current.items.length === 0) {
      return;
    }

    slot.clear();
    try {
      // At the prices that the buyer saw: a total that became another is refused.
      const seen = current.items.map(item => ({ ...item, price: prices.get(item.productId) ?? item.price }));
      const items = seen.map(({ productId, quantity }) => ({ productId, quantity }));
      const order = await post(`/order/${member}`, { items, ...reckon(totalOf(seen)) });
      if (order.isEarlier) {
        toast(say('orderedEarlier'));
      }

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

const totalOf = items => items.reduce((total, { price, quantity }) => total + price * quantity, 0);

/** What a coupon takes off an order, as the server reckons it; 0 for an order that is too small. */
function offOf({ discount: { kind, value, maximum }, minimumOrderAmount }, subtotal) {
  if (subtotal < minimumOrderAmount) {
    return 0;
  }

  // A percentage of a large order is more than a number can hold on the way.
  const off = kind === 'amount' ? value : Math.min(Number(BigInt(subtotal) * BigInt(value) / 100n), maximum ?? Infinity);
  return Math.min(off, subtotal);
}
