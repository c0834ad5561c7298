import { get, getAll, post } from '../api.js';
import * as clock from '../clock.js';
import * as session from '../session.js';
import { backLink, busy, confirm, enable, facts, h, heading, named, note, noteSlot, write } from '../ui.js';
import { duration, money, number, say, time } from '../words.js';
import { statusBadge } from './orders.js';

/** How long an order is left alone that should be over by now, in milliseconds, at first. */
const firstPause = 1000;
const longestPause = 16_000;

/** One order: paid while its window is open, cancelled or given back, and what became of it. */
export async function order({ parameters: [id], signal, refresh }) {
  const path = `/members/${session.member()}/orders/${id}`;
  const root = h('div', { class: 'stack' });
  const slot = noteSlot();
  let counting = new AbortController();
  let isJustPaid = false;
  let pause = firstPause;
  let shown;

  // Reads may end in another order than they began: one that began before what is shown says nothing any more.
  let reads = 0;
  let newest = 0;

  // While one thing is on its way, nothing else is begun: what is being paid is not cancelled.
  let isActing = false;

  const first = await get(path, signal);
  const couponName = h('span', { class: 'small of-coupon' });
  if (first.couponId !== undefined) {
    // It follows when it is known.
    getAll(`/members/${session.member()}/coupons`, signal)
      .then(all => couponName.append(...named(all.find(one => one.couponId === first.couponId)?.name ?? '')), () => {});
  }

  show(first);
  return root;

  function show(current) {
    shown = current;
    counting.abort();
    counting = new AbortController();
    const title = heading(say('orderOf', time(current.createdAt)));
    const hadFocus = root.contains(document.activeElement);
    root.replaceChildren(backLink(say('orders'), '#/orders'),
      h('div', { class: 'row apart' }, title, h('span', { role: 'status' }, statusBadge(current.status))),
      h('div', { class: 'sides' },
        h('section', { class: 'card', 'aria-label': say('details') },
          h('table', { class: 'table folds' },
            h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, say('product')), h('th', { scope: 'col', class: 'end' }, say('price')),
              h('th', { scope: 'col', class: 'end' }, say('quantity')), h('th', { scope: 'col', class: 'end' }, say('sum')))),
            h('tbody', {}, current.items.map(item => h('tr', {},
              h('th', { scope: 'row', class: 'line-name' }, h('a', { href: `#/products/${item.productId}` }, named(item.name))),
              h('td', { 'data-label': say('price'), class: 'end' }, money(item.price)),
              h('td', { 'data-label': say('quantity'), class: 'end' }, number(item.quantity)),
              h('td', { 'data-label': say('sum'), class: 'end' }, money(item.price * item.quantity)))))),
          facts([say('subtotal'), money(current.subtotal)], current.discount > 0 ? [[say('discount'), couponName], `−${money(current.discount)}`] : null,
            [say('total'), money(current.total), true], current.paidAt === undefined ? null : [say('paidAt'), time(current.paidAt)])),
        h('section', { class: 'card', 'aria-label': say('status')[current.status] }, ...actionsOf(current), slot)));
    if (hadFocus) {
      title.focus({ preventScroll: true });
    }
  }

  function actionsOf(current) {
    switch (current.status) {
      case 'pending_payment':
        return payment(current);
      case 'completed':
        return [isJustPaid ? note('good', say('paid')) : h('p', { class: 'muted' }, say('paidOn', time(current.paidAt))),
          endButton('refund', 'quiet wide', say('sureRefund'), say('sureRefundLead', money(current.total), current.couponId !== undefined))];
      case 'refunded':
        return [note('', say('refundedLead', current.couponId !== undefined))];
      case 'cancelled':
        return [note('', say('cancelledLead'))];
      default:
        return [note('warn', say('expiredLead'))];
    }
  }

  function payment(current) {
    const left = h('span', { class: 'value', role: 'timer' });
    const until = Date.parse(current.payBefore);
    const ending = AbortSignal.any([signal, counting.signal]);
    if (until > clock.now()) {
      pause = firstPause;
      clock.countdown(until, seconds => write(left, duration(seconds)), reload, ending);
    } else {
      // This page's clock is ahead of the server's, which has it end soon: it is asked again, and not at once.
      clock.countdown(clock.now() + pause, () => write(left, duration(0)), reload, ending);
      pause = Math.min(2 * pause, longestPause);
    }

    const payButton = h('button', { class: 'button primary large', type: 'button' }, say('pay', money(current.total)));
    payButton.addEventListener('click', () => alone(payButton, () => pay(current)));
    return [
      h('div', { class: 'figure' }, h('span', { class: 'name' }, say('payWithin')), left),
      payButton,
      endButton('cancel', 'quiet wide', say('sureCancel'), say('sureCancelLead', current.couponId !== undefined))];
  }

  async function alone(button, action) {
    if (isActing) {
      return;
    }

    const others = [...root.querySelectorAll('button')].filter(one => one !== button);
    isActing = true;
    others.forEach(one => enable(one, false));
    try {
      await busy(button, action);
    } finally {
      isActing = false;
      others.forEach(one => enable(one, true));
    }
  }

  async function pay(current) {
    slot.clear();
    try {
      const { paidAt } = await post(`/payment/${current.paymentId}`);
      isJustPaid = true;

      // It may have been paid by an earlier press, and given back since.
      await reload(() => ({ ...current, status: 'completed', paidAt }));
    } catch (error) {
      slot.refuse(error, ({ balance, required }) => (required === undefined ? [] : [
        say('missing', money(balance), money(required - balance)),
        h('p', {}, h('a', { class: 'button', href: `#/points?amount=${required - balance}` }, say('chargeMissing', money(required - balance))))]));
      if (['payment_already_completed', 'order_expired', 'order_cancelled'].includes(error.code)) {
        await reload(() => {});
      }
    }
  }

  /** A button that ends the order once that was confirmed, if the order is still what was asked about; it is busy from then on. */
  function endButton(word, style, title, text) {
    const button = h('button', { class: `button ${style}`, type: 'button' }, say(word));
    const { status } = shown;
    button.addEventListener('click', async () => {
      if (!isActing && await confirm(title, text, say(word)) && shown.status === status) {
        await alone(button, end);
      }
    });
    return button;
  }

  async function end() {
    slot.clear();
    try {
      const ended = await post(`${path}/cancel`);
      await reload(() => ended);
    } catch (error) {
      slot.refuse(error);
      if (error.code === 'order_not_cancellable') {
        await reload(() => {});
      }
    }
  }

  /**
   * Shows the order as the server has it now.
   * @param {(error: Error) => object|void} unread called when it cannot be read: says so, or returns the order as it must be
   */
  async function reload(unread = error => slot.refuse(error)) {
    const turn = ++reads;
    const now = await get(path, signal).catch(error => (signal.aborted || turn < newest ? undefined : unread(error)));
    if (now !== undefined && turn > newest) {
      newest = turn;
      show(now);
    }

    refresh();
  }
}
