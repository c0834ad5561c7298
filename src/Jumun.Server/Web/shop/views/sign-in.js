import { answerSeconds, Refusal } from '../api.js';
import * as session from '../session.js';
import { actionButton, busy, field, h, heading, noteSlot } from '../ui.js';
import { language, say } from '../words.js';

/** Signing in: as a demo member where the server offers that, or with any token. */
export async function signIn() {
  const demoMembers = document.body.dataset.demoMembers.split(' ').filter(name => name !== '');
  const slot = noteSlot();
  return h('div', { class: 'stack wide narrow' },
    h('div', { class: 'stack tight' }, heading(say('signIn')), h('p', { class: 'muted' }, say('signInLead'))),
    slot,
    demoMembers.length === 0 ? null : h('section', { class: 'card' },
      h('p', {}, say('demoLead')),
      h('div', { class: 'demo-members' }, demoMembers.map(member => {
        const button = actionButton(member, 'primary', () => demoSignIn(member, slot));
        button.setAttribute('aria-label', say('signInAs', member));
        return button;
      }))),
    tokenForm());
}

/** Not the shop's API, and there on a developer's machine alone. */
async function demoSignIn(memberId, slot) {
  try {
    const response = await fetch('/shop/demo-sign-in', {
      signal: AbortSignal.timeout(answerSeconds * 1000),
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Accept-Language': language() },
      body: JSON.stringify({ memberId }),
    });
    const answer = await response.json();
    if (!response.ok) {
      throw new Refusal(response.status, answer);
    }

    session.begin(answer.token);
  } catch (error) {
    slot.refuse(error);
  }
}

function tokenForm() {
  const input = h('textarea', { rows: '3', spellcheck: 'false', autocomplete: 'off', class: 'mono', required: true });
  const error = h('span', { class: 'error', 'aria-live': 'polite' });
  const button = h('button', { class: 'button', type: 'submit' }, say('signIn'));
  const submit = event => {
    event.preventDefault();
    busy(button, async () => {
      // What was copied along, such as a bracket, a quotation mark or a terminal's line breaks, is no part of it.
      const token = input.value.trim().replace(/^Bearer\s/i, '').replace(/\s+/g, '').replace(/^[^\w-]+|[^\w-]+$/g, '');
      const isToken = session.subjectOf(token) !== null;
      input.setAttribute('aria-invalid', String(!isToken));
      error.textContent = isToken ? '' : say('tokenWrong');
      if (isToken) {
        session.begin(token);
      } else {
        input.focus();
      }
    });
  };
  const labelled = field(say('token'), input, say('tokenHint'));
  labelled.append(error);
  error.id = `${input.id}-error`;
  input.setAttribute('aria-describedby', `${input.getAttribute('aria-describedby')} ${error.id}`);
  return h('form', { class: 'card', novalidate: true, onsubmit: submit }, labelled, h('div', {}, button));
}
