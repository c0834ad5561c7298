// The shop's public API, used as any client would. Reads are repeated freely; what changes something goes out under an
// Idempotency-Key, and is repeated under the same key until it is known what became of it: it happens once.

import * as clock from './clock.js';
import * as session from './session.js';
import { language } from './words.js';

const mostTries = 6;
const longestPauseSeconds = 8;
const silenceSeconds = 40;

// How long an answer may take: longer than a duplicate waits for the first request under its key. And how long it is asked for.
export const answerSeconds = 12;
const patienceSeconds = 60;

/** Told 'repeat' when an answer did not come and the same request goes out again. */
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
export const get = (path, signal) => repeatedly(() => send('GET', path, { signal }), signal);

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
export const put = (path, body) => repeatedly(() => send('PUT', path, { body }));
export const remove = path => repeatedly(() => send('DELETE', path, {}));

/**
 * Does something that must happen once. A key belongs to one intention: who does what. It is made when the intention is new,
 * stays while the outcome is unknown (also over a reload of the page, when the buyer presses the button again, and when they had
 * to sign in anew), and goes with the answer, be it a yes or a no.
 */
export async function post(path, body) {
  const intention = JSON.stringify([session.member(), path, body ?? null]);
  const key = keys.of(intention);
  try {
    const answer = await repeatedly(() => send('POST', path, { body, key }));
    keys.forget(intention);
    return answer;
  } catch (error) {
    if (isDecided(error)) {
      keys.forget(intention);
    }

    throw error;
  }
}

/**
 * Watches a product or a coupon: the state at once and after each change, for as long as the signal allows, through
 * lost connections.
 * @param {string} path the path of the live stream
 * @param {(event: object) => void} seen told each event
 * @param {(isLive: boolean) => void} told told whether the stream is connected
 * @param {AbortSignal} signal ends it
 * @returns {Promise<void>} rejected with the refusal when there is nothing to watch, or no room to begin
 */
export async function watch(path, seen, told, signal) {
  let hasSeen = false;
  for (let failures = 0; !signal.aborted; failures++) {
    let pauseSeconds = null;
    try {
      await follow(path, event => {
        failures = 0;
        hasSeen = true;
        told(true);
        seen(event);
      }, signal);
    } catch (error) {
      if (signal.aborted) {
        return;
      }

      // At the beginning any "no" is one; later on the stream may have been ended, and comes back.
      if (error instanceof Refusal && (!hasSeen || [400, 401, 403, 404].includes(error.status))) {
        throw error;
      }

      pauseSeconds = error.retryAfterSeconds === undefined ? null : Math.min(error.retryAfterSeconds, patienceSeconds);
    }

    told(false);
    if (!hasSeen) {
      events.dispatchEvent(new Event('repeat'));
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
    const response = await fetch(path, { headers: headers(), signal: AbortSignal.any([signal, silence.signal]) });
    if (!response.ok) {
      throw await refusalOf(response);
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
  let response;
  let json;
  try {
    response = await fetch(path, {
      method,
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      headers: headers({
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
    throw await refusalOf(response);
  }

  return json;
}

function headers(more = {}) {
  const token = session.bearer();
  return { 'Accept-Language': language(), ...(token !== null && { Authorization: `Bearer ${token}` }), ...more };
}

async function refusalOf(response) {
  if (response.status === 401 && session.bearer() !== null) {
    session.end(true);
  }

  const retryAfter = Number.parseInt(response.headers.get('Retry-After') ?? '', 10);
  const seconds = Number.isNaN(retryAfter) ? undefined : retryAfter;
  const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json');
  const problem = isProblem ? await response.json().catch(() => null) : null;

  // What stands between here and the shop may answer in its place, and does not know what the shop did.
  return typeof problem?.code === 'string' ? new Refusal(response.status, problem, seconds) : new Unreachable(`status ${response.status}`, seconds);
}

/** No answer, no room, no store, or the first request under this key is still being settled: ask again. */
const isWorthRepeating = error => error instanceof Unreachable
  || (error instanceof Refusal && (error.status === 503 || error.status === 429 || error.code === 'idempotency_key_in_use'));

/** A "no" to this very request, so that nothing was done. An unknown token and a broken server say nothing of the one before it. */
const isDecided = error => error instanceof Refusal && !isWorthRepeating(error) && error.status !== 401 && error.status < 500;

async function repeatedly(request, signal) {
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

      events.dispatchEvent(new Event('repeat'));
      await pause(error.retryAfterSeconds ?? null, tries - 1, signal);
      signal?.throwIfAborted();
      if (session.member() !== member) {
        // Nobody goes on with what another member began.
        throw error;
      }
    }
  }
}

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
    return JSON.parse(sessionStorage.getItem(this.place) ?? '{}');
  },

  of(intention) {
    const all = this.all();
    all[intention] ??= Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
    sessionStorage.setItem(this.place, JSON.stringify(all));
    return all[intention];
  },

  forget(intention) {
    const all = this.all();
    delete all[intention];
    sessionStorage.setItem(this.place, JSON.stringify(all));
  },
};
