import { get } from '../api.js';
import * as session from '../session.js';
import { badge, empty, h, heading, named, pagedList } from '../ui.js';
import { money, say, time } from '../words.js';

/** The member's orders, newest first. */
export async function orders({ signal }) {
  const rows = h('tbody', {});
  const { count, footer } = await pagedList(`/members/${session.member()}/orders`, rowOf, rows, path => get(path, signal));
  return h('div', { class: 'stack' }, heading(say('orders')), count === 0
    ? empty(h('p', {}, say('ordersNone')), h('a', { class: 'button', href: '#/products' }, say('shop')))
    : h('div', { class: 'card' }, h('table', { class: 'table folds' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, say('product')), h('th', { scope: 'col' }, say('when')),
        h('th', { scope: 'col', class: 'end' }, say('total')), h('th', { scope: 'col', class: 'end' }, ''))), rows)), footer);
}

/** An order's badge. */
export const statusBadge = status => badge(say('status')[status], { pending_payment: 'warn', completed: 'good', expired: '', cancelled: '', refunded: 'accent' }[status]);

function rowOf(order) {
  const [first, ...others] = order.items;
  const name = others.length === 0 ? `${first.name}\u00a0×\u00a0${first.quantity}` : say('andMore', first.name, others.length);
  return h('tr', {},
    h('th', { scope: 'row', class: 'line-name' }, h('a', { href: `#/orders/${order.orderId}` }, named(name))),
    h('td', { 'data-label': say('when') }, time(order.createdAt)),
    h('td', { 'data-label': say('total'), class: 'end' }, money(order.total)),
    h('td', { class: 'end' }, statusBadge(order.status)));
}
