// Who is signed in. The token is kept for this tab alone: two windows may be two members, and closing one forgets it.

import { forTab } from './storage.js';

const place = 'jumun.token';

/** Told when the session begins or ends: 'change'; its detail has the token that was refused, if one was. */
export const changes = new EventTarget();

let token = forTab.getItem(place);

export const bearer = () => token;

/** The member that the token names; null when nobody is signed in. */
export const member = () => (token === null ? null : subjectOf(token));

export function begin(newToken) {
  token = newToken;
  forTab.setItem(place, token);
  changes.dispatchEvent(new Event('change'));
}

/** @param {boolean} isRefused whether the server did not know the token */
export function end(isRefused = false) {
  const refused = isRefused ? token : null;
  token = null;
  forTab.removeItem(place);
  changes.dispatchEvent(new CustomEvent('change', { detail: { refused } }));
}

/** The subject of a token, read and not checked: that is the server's to do. Null when it is no token. */
export function subjectOf(text) {
  try {
    const base64 = text.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
    const subject = JSON.parse(new TextDecoder().decode(bytes)).sub;
    return typeof subject === 'string' && subject !== '' ? subject : null;
  } catch {
    return null;
  }
}
