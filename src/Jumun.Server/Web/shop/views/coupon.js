import { getAll, post, watch } from '../api.js';
import * as clock from '../clock.js';
import * as session from '../session.js';
import { backLink, badge, busy, enable, h, heading, liveBadge, moving, note, noteSlot, write, writeName } from '../ui.js';
import { discount, duration, number, say, time } from '../words.js';
import { stateOf, statusKinds, termsOf } from './coupons.js';

/** One coupon and one large button, which becomes live at the moment at which it opens. */
export async function coupon({ parameters: [id], signal }) {
  const member = session.member();
  const couponId = Number(id);
  const held = async () => (await getAll(`/members/${member}/coupons`, signal)).find(one => one.couponId === couponId) ?? null;
  const name = heading('');
  const off = h('p', { class: 'price price-large' });
  const terms = h('p', { class: 'muted' });
  const remaining = h('span', { class: 'value huge' });
  const of = h('span', { class: 'muted' });
  const bar = h('progress', { 'aria-label': say('remaining') });
  const state = h('p', { class: 'badge-line', role: 'status' });
  const live = liveBadge();
  const opens = h('p', { class: 'muted small' });
  const slot = noteSlot();
  const mine = noteSlot();
  const button = h('button', { class: 'button primary large', type: 'button' });
  button.addEventListener('click', () => busy(button, take).then(() => show(current)));

  let current;
  let has = await held();
  const count = clock.resettable(signal);
  let isToldOpen = false;

  /** Whether it may be the member's, because nobody knows what became of the last press. */
  let isUnsure = false;

  async function take() {
    slot.clear();
    write(button, say('taking'));
    try {
      has = await post(`/coupons/${couponId}`);
      isUnsure = false;
    } catch (error) {
      isToldOpen = false;
      isUnsure = error.isUnsure;
      slot.refuse(error);
      if (error.code === 'coupon_already_issued') {
        await lookAgain();
      } else {
        settle();
      }
    }
  }

  /** As long as it is open, pressing again says what became of the last press. After that the member's own coupons do. */
  function settle() {
    if (isUnsure && !isOpen()) {
      lookAgain().then(() => show(current));
    }
  }

  /** What became of the member's own coupon may have happened in another window, or without an answer. */
  async function lookAgain() {
    const isOver = !isOpen();
    try {
      has = await held() ?? has;
      if (has !== null || (isUnsure && isOver)) {
        isUnsure = false;
        slot.clear();
      }
    } catch {
      // The next event may find it.
    }
  }

  function isOpen() {
    return stateOf(current)[0] === 'open';
  }

  /** Shows the state as the server told it last; what follows from time alone follows by the server's clock. */
  function show(now) {
    current = now;
    const [word, kind] = stateOf(now);
    writeName(name, now.name);
    write(off, discount(now.discount));
    write(terms, termsOf(now));
    moving(remaining, number(now.remaining));
    write(of, say('of', now.quantity));
    bar.max = now.quantity;
    bar.value = now.remaining;
    bar.classList.toggle('warn', now.remaining * 5 <= now.quantity);
    bar.classList.toggle('soon', word === 'soon');
    panel.classList.toggle('is-gone', word === 'gone');
    const shown = `${word} ${has?.status}`;
    if (state.dataset.shown !== shown) {
      state.replaceChildren(...(has === null || word === 'gone' ? [badge(say(word), `${kind}${word === 'gone' ? ' pop' : ''}`)] : []),
        ...(has === null ? [] : [' ', badge(has.status === 'available' ? say('have') : say('couponStatus')[has.status], `${statusKinds[has.status]} pop`)]));
      state.dataset.shown = shown;
      if (isToldOpen) {
        // It was good for as long as it was open to this member.
        slot.clear();
        isToldOpen = false;
      }
    }

    enable(button, has === null && word === 'open');
    button.hidden = has !== null;
    write(opens, word === 'soon' ? say('opensAt', time(now.issueFrom)) : '');
    if (word === 'soon' && has === null) {
      count.to(Date.parse(now.issueFrom), seconds => write(button, say('opensIn', duration(seconds))), () => {
        performance.mark('coupon open', { detail: { couponId, serverTime: clock.now() } });
        show(current);
        if (isOpen()) {
          slot.tell('good', say('opened'));
          isToldOpen = true;
        }
      });
    } else {
      count.stop();
      if (button.getAttribute('aria-busy') !== 'true') {
        write(button, say(word === 'gone' ? 'gone' : word === 'closed' ? 'closed' : 'take'));
      }
    }

    if (has === null && (word === 'gone' || word === 'closed') && slot.childElementCount === 0) {
      slot.replaceChildren(note('', say(word === 'gone' ? 'goneLead' : 'closedLead')));
    }

    if (has !== null && mine.dataset.shown !== shown) {
      mine.tell(...mineIs(has, word));
      mine.dataset.shown = shown;
    }
  }

  const panel = h('div', { class: 'card rush' },
    h('div', { class: 'row apart' }, off, live.element),
    h('div', { class: 'figure' }, h('span', { class: 'name' }, say('remaining')), h('p', { class: 'row remaining' }, remaining, of)),
    bar,
    h('div', { class: 'row apart' }, state, opens),
    button,
    slot,
    mine);

  document.addEventListener('visibilitychange', async () => {
    if (!document.hidden && current !== undefined) {
      await lookAgain();
      show(current);
    }
  }, { signal });

  // The first event is the coupon; a query would say no for one that is sold out.
  await new Promise((resolve, reject) => {
    watch(`/coupons/${couponId}/live`, event => {
      show(event.coupon);
      settle();
      resolve();
    }, isLive => live.tell(isLive), signal).then(resolve, reject);
  });
  return h('div', { class: 'stack narrow' }, backLink(say('coupons'), '#/coupons'), name, terms, panel);
}

/** What a member is told of their own coupon: the note's colour, its title and what follows. */
function mineIs({ status, number: place, orderId }, word) {
  const toOrder = () => h('p', {}, h('a', { href: `#/orders/${orderId}` }, say('toOrder')));
  switch (status) {
    case 'used':
      return ['', say('usedIt', place), toOrder()];
    case 'held':
      return ['warn', say('heldIt', place), toOrder()];
    case 'expired':
      return ['', say('expiredIt', place)];
    default:
      return ['good', say(word === 'gone' ? 'goneYours' : 'taken', place), say('takenLead'), h('p', {}, h('a', { href: '#/products' }, say('shop')))];
  }
}
