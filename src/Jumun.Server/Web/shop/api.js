// The shop's public API, used as any client would. Reads are repeated freely; what changes something goes out under an
// Idempotency-Key, and is repeated under the same key until it is known what became of it: it happens once.

import * as clock from './clock.js';
import * as session from './session.js';
import { forTab } from './storage.js';
import { language } from './words.js';

const mostTries = 6;
const longestPauseSeconds = 8;
const silenceSeconds = 40;

// How long an answer may take: longer than a duplicate waits for the first request under its key. And how long it is asked for.
export const answerSeconds = 12;
const patienceSeconds = 60;

/** Told 'repeat' when an answer did not come and the same request goes out again; its detail says whether that changes something. */
export const events = new EventTarget();

/** An answer that is a "no": the problem, in the reader's language, with the members that belong to its code. */
export class Refusal extends Error {
  constructor(status, problem, retryAfterSeconds) {
    super(problem.title);
    this.status = status;
    this.problem = problem;
    this.code = problem.code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** No answer of the shop's came, or half of one: nobody knows what became of the request. */
export class Unreachable extends Error {
  constructor(message, retryAfterSeconds) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Reads. */
export const get = (path, signal) => repeatedly(() => send('GET', path, { signal }), { signal });

/** Reads a list to its end. */
export async function getAll(path, signal) {
  const items = [];
  for (let next = null; next !== undefined;) {
    const page = await get(`${path}${path.includes('?') ? '&' : '?'}limit=100${next === null ? '' : `&cursor=${encodeURIComponent(next)}`}`, signal);
    items.push(...page.items);
    next = page.next ?? undefined;
  }

  return items;
}

/** Sets or removes; doing that twice is doing it once. */
export const put = (path, body) => change(() => send('PUT', path, { body }));
export const remove = path => change(() => send('DELETE', path, {}));

/**
 * Does something that must happen once. A key belongs to one intention: who does what. It is made when the intention is new,
 * stays while the outcome is unknown (also over a reload of the page, when the buyer presses the button again, and when they had
 * to sign in anew), and goes with the answer, be it a yes or a no.
 * @returns {Promise<object>} the answer, and whether it isEarlier: what an earlier press had done by then, so that this one did nothing new
 */
export async function post(path, body) {
  const intention = JSON.stringify([session.member(), path, body ?? null]);
  const { key, isKept } = keys.of(intention);
  try {
    const { isReplayed, ...answer } = await change(() => send('POST', path, { body, key }));
    keys.forget(intention);
    return { ...answer, isEarlier: isKept && isReplayed };
  } catch (error) {
    if (!error.isUnsure) {
      keys.forget(intention);
    }

    throw error;
  }
}

/** What changes something, repeated as reads are; where it fails, the error says whether it isUnsure that nothing was done. */
async function change(request) {
  try {
    return await repeatedly(request, { isChange: true });
  } catch (error) {
    throw Object.assign(error, { isUnsure: !isDecided(error) });
  }
}

/**
 * Watches a product or a coupon: the state at once and after each change, for as long as the signal allows, through
 * lost connections.
 * @param {string} path the path of the live stream
 * @param {(event: object) => void} seen told each event
 * @param {(isLive: boolean) => void} told told whether the stream is connected
 * @param {AbortSignal} signal ends it
 * @param {boolean} stands whether the page stands without it: then it waits for room to begin
 * @returns {Promise<void>} rejected with the refusal when there is nothing to watch, or no room to begin
 */
export async function watch(path, seen, told, signal, stands = false) {
  let goesOn = stands;
  for (let failures = 0; !signal.aborted; failures++) {
    let pauseSeconds = null;
    try {
      await follow(path, event => {
        failures = 0;
        goesOn = true;
        told(true);
        seen(event);
      }, signal);
    } catch (error) {
      if (signal.aborted) {
        return;
      }

      // At the beginning any "no" is one; later on the stream may have been ended, and comes back.
      if (error instanceof Refusal && (!goesOn || [400, 401, 403, 404].includes(error.status))) {
        throw error;
      }

      pauseSeconds = error.retryAfterSeconds === undefined ? null : Math.min(error.retryAfterSeconds, patienceSeconds);
    }

    told(false);
    if (!goesOn) {
      tellRepeat(false);
    }

    await pause(pauseSeconds, failures, signal);
  }
}

/** Follows one stream to its end. */
async function follow(path, seen, signal) {
  // A connection that says nothing, not even that it is there, is none.
  const silence = new AbortController();
  let timer;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), silenceSeconds * 1000);
  };
  listen();
  try {
    const token = session.bearer();
    const response = await fetch(path, { headers: headers(token), signal: AbortSignal.any([signal, silence.signal]) });
    if (!response.ok) {
      throw await refusalOf(response, token);
    }

    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      listen();
      const messages = (text + part.value).split('\n\n');
      text = messages.pop();
      for (const message of messages.filter(message => message.startsWith('data: '))) {
        const event = JSON.parse(message.slice('data: '.length));
        clock.heard(event.now);
        seen(event);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

async function send(method, path, { body, key, signal }) {
  // A server that takes a request and never answers is one that cannot be reached.
  const late = AbortSignal.timeout(answerSeconds * 1000);
  const token = session.bearer();
  let response;
  let json;
  try {
    response = await fetch(path, {
      method,
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      headers: headers(token, {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
      }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (response.ok) {
      json = response.status === 204 ? null : await response.json();
    }
  } catch (error) {
    throw signal?.aborted ? error : new Unreachable(error.message);
  }

  clock.dated(response.headers.get('Date'));
  if (!response.ok) {
    throw await refusalOf(response, token);
  }

  return key === undefined ? json : { ...json, isReplayed: response.headers.get('Idempotency-Replayed') === 'true' };
}

function headers(token, more = {}) {
  return { 'Accept-Language': language(), ...(token !== null && { Authorization: `Bearer ${token}` }), ...more };
}

async function refusalOf(response, token) {
  const retryAfter = Number.parseInt(response.headers.get('Retry-After') ?? '', 10);
  const seconds = Number.isNaN(retryAfter) ? undefined : retryAfter;
  const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json');
  const problem = isProblem ? await response.json().catch(() => null) : null;

  // A late answer says nothing of whoever has signed in since. Its body is read by now: the view that goes ends what it reads.
  if (response.status === 401 && token !== null && token === session.bearer()) {
    session.end(true);
  }

  // What stands between here and the shop may answer in its place, and does not know what the shop did.
  return typeof problem?.code === 'string' ? new Refusal(response.status, problem, seconds) : new Unreachable(`status ${response.status}`, seconds);
}

/** No answer, no room, no store, or the first request under this key is still being settled: ask again. */
const isWorthRepeating = error => error instanceof Unreachable
  || (error instanceof Refusal && (error.status === 503 || error.status === 429 || error.code === 'idempotency_key_in_use'));

/** A "no" to this very request, so that nothing was done. An unknown token and a broken server say nothing of the one before it. */
const isDecided = error => error instanceof Refusal && !isWorthRepeating(error) && error.status !== 401 && error.status < 500;

async function repeatedly(request, { signal, isChange = false }) {
  const member = session.member();
  const begun = performance.now();
  for (let tries = 1; ; tries++) {
    try {
      return await request();
    } catch (error) {
      const again = performance.now() - begun + (error.retryAfterSeconds ?? 0) * 1000;
      if (!isWorthRepeating(error) || tries === mostTries || again > patienceSeconds * 1000) {
        throw error;
      }

      tellRepeat(isChange);
      await pause(error.retryAfterSeconds ?? null, tries - 1, signal);
      signal?.throwIfAborted();
      if (session.member() !== member) {
        // Nobody goes on with what another member began.
        throw error;
      }
    }
  }
}

const tellRepeat = isChange => events.dispatchEvent(new CustomEvent('repeat', { detail: { isChange } }));

/** Waits as long as the server asked for, or longer from time to time; never all clients at once. */
function pause(seconds, failures, signal) {
  const longest = seconds ?? Math.min(longestPauseSeconds, 0.4 * 2 ** failures);
  return new Promise(resolve => {
    const timer = setTimeout(resolve, longest * 1000 * (seconds === null ? 0.5 + Math.random() / 2 : 1 + Math.random() / 4));
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/** The keys of intentions whose outcome is not known yet. */
const keys = {
  place: 'jumun.keys',

  all() {
    return JSON.parse(forTab.getItem(this.place) ?? '{}');
  },

  of(intention) {
    const all = this.all();
    const isKept = intention in all;
    all[intention] ??= Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
    forTab.setItem(this.place, JSON.stringify(all));
    return { key: all[intention], isKept };
  },

  forget(intention) {
    const all = this.all();
    delete all[intention];
    forTab.setItem(this.place, JSON.stringify(all));
  },
};
