import { get, post } from '../api.js';
import * as session from '../session.js';
import { busy, empty, field, h, heading, moving, noteSlot, pagedList } from '../ui.js';
import { money, say, time } from '../words.js';

const mostAmount = 100_000_000;
const presets = [10_000, 50_000, 100_000, 300_000];

/** The balance, charging it, and every movement of it. */
export async function points({ query, signal, refresh }) {
  const member = session.member();
  const value = h('span', { class: 'value' });
  const history = h('div', { class: 'stack' });
  const slot = noteSlot();

  async function load() {
    const rows = h('tbody', {});
    const [wallet, { count, footer }] = await Promise.all([
      get(`/members/${member}/points`, signal),
      pagedList(`/members/${member}/points/history`, rowOf, rows, path => get(path, signal)),
    ]);
    moving(value, money(wallet.balance));
    history.replaceChildren(count === 0 ? empty(say('historyNone')) : h('table', { class: 'table folds' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, say('when')), h('th', { scope: 'col' }, say('what')),
        h('th', { scope: 'col', class: 'end' }, say('change')), h('th', { scope: 'col', class: 'end' }, say('after')))), rows), footer);
  }

  const asked = Number(query.get('amount'));
  const amount = h('input', {
    type: 'number', inputmode: 'numeric', min: '1', max: String(mostAmount), step: '1', required: true, value: asked >= 1 && asked <= mostAmount ? String(asked) : '',
  });
  const button = h('button', { class: 'button primary', type: 'submit' }, say('chargeIt'));
  const form = h('form', { class: 'card', novalidate: true, onsubmit: event => {
    event.preventDefault();
    busy(button, async () => {
      const wanted = Number(amount.value);
      try {
        const { balance, isEarlier } = await post(`/members/${member}/points/charge`, { amount: wanted });
        if (isEarlier) {
          // The balance of that time is not the one of now.
          slot.tell('good', say('chargedEarlier', money(wanted)), say('chargedEarlierLead'));
        } else {
          slot.tell('good', say('charged', money(balance)));
          moving(value, money(balance));
        }

        amount.value = '';
      } catch (error) {
        slot.refuse(error);
        return;
      }

      // It was charged, whether or not the history can be read again.
      refresh();
      await load().catch(() => {});
    });
  } },
  h('h2', {}, say('charge')),
  field(say('amount'), amount, say('amountHint')),
  h('div', { class: 'row' }, presets.map(preset => h('button', { class: 'button', type: 'button', onclick: () => {
    amount.value = String(preset);
    amount.focus();
  } }, money(preset)))),
  h('div', {}, button), slot);

  await load();
  return h('div', { class: 'stack wide' },
    h('div', { class: 'stack' }, heading(say('points')),
      h('div', { class: 'sides' },
        h('section', { class: 'card', 'aria-label': say('yourBalance') }, h('p', { class: 'figure' }, h('span', { class: 'name' }, say('yourBalance')), value)), form)),
    h('section', { class: 'stack', 'aria-labelledby': 'history' }, h('h2', { id: 'history' }, say('history')), history));
}

function rowOf(entry) {
  const what = say('kind')[entry.kind];
  return h('tr', {},
    h('td', { 'data-label': say('when') }, time(entry.createdAt)),
    h('td', { 'data-label': say('what') }, entry.orderId === undefined ? what : h('a', { href: `#/orders/${entry.orderId}` }, what)),
    h('td', { 'data-label': say('change'), class: `end ${entry.amount > 0 ? 'good' : ''}` }, `${entry.amount > 0 ? '+' : entry.amount < 0 ? '−' : ''}${money(Math.abs(entry.amount))}`),
    h('td', { 'data-label': say('after'), class: 'end' }, money(entry.balance)));
}
