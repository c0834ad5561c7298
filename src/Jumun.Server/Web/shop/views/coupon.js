import { get, post, watch } from '../api.js';
import * as clock from '../clock.js';
import * as session from '../session.js';
import { backLink, badge, busy, enable, h, heading, liveBadge, moving, note, noteSlot, write } from '../ui.js';
import { discount, duration, number, say, time } from '../words.js';
import { stateOf, termsOf } from './coupons.js';

/** One coupon and one large button, which becomes live at the moment at which it opens. */
export async function coupon({ parameters: [id], signal }) {
  const member = session.member();
  const couponId = Number(id);
  const held = (await get(`/members/${member}/coupons?limit=100`, signal)).items.find(one => one.couponId === couponId);
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
  const button = h('button', { class: 'button primary large', type: 'button' });
  button.addEventListener('click', () => busy(button, take));

  let current;
  let has = held ?? null;
  let counting = null;

  async function take() {
    slot.clear();
    write(button, say('taking'));
    try {
      has = await post(`/coupons/${couponId}`);
    } catch (error) {
      slot.refuse(error);
      if (error.code === 'coupon_already_issued') {
        has = { number: null };
      }
    }

    show(current);
  }

  /** Shows the state as the server told it last; what follows from time alone follows by the server's clock. */
  function show(now) {
    current = now;
    const [word, kind] = stateOf(now);
    write(name, now.name);
    write(off, discount(now.discount));
    write(terms, termsOf(now));
    moving(remaining, number(now.remaining));
    write(of, say('of', now.quantity));
    bar.max = now.quantity;
    bar.value = now.remaining;
    bar.classList.toggle('warn', now.remaining * 5 <= now.quantity);
    panel.classList.toggle('is-gone', word === 'gone' && has === null);
    const shown = has === null ? word : 'have';
    if (state.dataset.shown !== shown) {
      state.replaceChildren(badge(say(shown), has === null ? `${kind}${word === 'gone' ? ' pop' : ''}` : 'good pop'));
      state.dataset.shown = shown;
    }

    const isOpen = has === null && word === 'open';
    enable(button, isOpen);
    button.hidden = has !== null;
    write(opens, word === 'soon' ? say('opensAt', time(now.issueFrom)) : '');
    if (word === 'soon' && has === null) {
      count(Date.parse(now.issueFrom));
    } else if (button.getAttribute('aria-busy') !== 'true') {
      write(button, say(word === 'gone' ? 'gone' : word === 'closed' ? 'closed' : 'take'));
    }

    if (has !== null && slot.childElementCount === 0) {
      slot.tell('good', has.number === null ? say('have') : say('taken', has.number), say('takenLead'), h('p', {}, h('a', { href: '#/products' }, say('shop'))));
    } else if (has === null && (word === 'gone' || word === 'closed') && slot.childElementCount === 0) {
      slot.replaceChildren(note('', say(word === 'gone' ? 'goneLead' : 'closedLead')));
    }
  }

  /** Counts down to the opening, once for each moment that it was set to. */
  function count(until) {
    if (counting?.until === until) {
      return;
    }

    counting?.stop.abort();
    counting = { until, stop: new AbortController() };
    clock.countdown(until, seconds => write(button, say('opensIn', duration(seconds))), () => {
      counting = null;
      performance.mark('coupon open', { detail: { couponId, serverTime: clock.now() } });
      show(current);
      slot.tell('good', say('opened'));
    }, AbortSignal.any([signal, counting.stop.signal]));
  }

  const panel = h('div', { class: 'card rush' },
    h('div', { class: 'row apart' }, off, live.element),
    h('div', { class: 'figure' }, h('span', { class: 'name' }, say('remaining')), h('p', { class: 'row remaining' }, remaining, of)),
    bar,
    h('div', { class: 'row apart' }, state, opens),
    button,
    slot);

  // The first event is the coupon; a query would say no for one that is sold out.
  await new Promise((resolve, reject) => {
    watch(`/coupons/${couponId}/live`, event => {
      show(event.coupon);
      resolve();
    }, isLive => live.tell(isLive), signal).then(resolve, reject);
  });
  return h('div', { class: 'stack narrow' }, backLink(say('coupons'), '#/coupons'), name, terms, panel);
}
