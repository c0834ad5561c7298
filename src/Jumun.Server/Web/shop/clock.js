// The server's time, as well as a browser can know it. Countdowns keep to it, whatever the clock of this machine says.

/** How many of the last events are remembered: of these the fastest one tells best. */
const remembered = 8;

/** The server's time minus this page's own, in milliseconds, from events of live streams, newest last. */
const samples = [];

/** The same from answers' Date headers, which know whole seconds only: better than nothing where no event is. */
const rough = [];

/**
 * By how much a Date must be later than the events said to count more than they. The page's own time stands still while the machine
 * sleeps, and events from before are behind for good. It is not the later of both that counts: a proxy writes a Date of its own, which
 * may be a little ahead of the shop.
 */
const asleepMilliseconds = 1000;

/** The page's own time never jumps. */
const own = () => performance.now();

/** The server's time now, in milliseconds since 1970: never ahead of it, and behind it by the shortest way of an event. */
export function now() {
  const known = samples.length > 0 ? samples : rough;
  return known.length > 0 ? own() + Math.max(...known) : Date.now();
}

/** An event said what time it was when it was sent. What it needed to come here makes it seem earlier, never later. */
export function heard(time) {
  remember(samples, Date.parse(time) - own());
}

/** An answer's Date header. */
export function dated(header) {
  const offset = Date.parse(header ?? '') - own();
  if (!Number.isNaN(offset)) {
    remember(rough, offset);
    if (offset - Math.max(...samples) > asleepMilliseconds) {
      samples.length = 0;
    }
  }
}

function remember(offsets, offset) {
  offsets.push(offset);
  if (offsets.length > remembered) {
    offsets.shift();
  }
}

/**
 * Counts down to a moment of the server's time.
 * @param {number} until the moment, in milliseconds since 1970
 * @param {(seconds: number) => void} tick told the whole seconds that are left, once for each
 * @param {() => void} end called at the moment, once
 * @param {AbortSignal} signal ends the countdown
 */
export function countdown(until, tick, end, signal) {
  let shown = null;
  const step = () => {
    if (signal.aborted) {
      return;
    }

    const left = until - now();
    if (left <= 0) {
      end();
      return;
    }

    const seconds = Math.ceil(left / 1000);
    if (seconds !== shown) {
      tick(seconds);
      shown = seconds;
    }

    // Until the second changes; the clock may be corrected meanwhile, so never for long.
    setTimeout(step, Math.max(1, Math.min(left - (seconds - 1) * 1000, 250)));
  };
  step();
}

/**
 * A countdown that can be set again and again: to another moment it begins anew, to the same one it goes on.
 * @param {AbortSignal} signal ends it
 * @returns {{ to: (until: number, tick: (seconds: number) => void, end: () => void) => void, stop: () => void }}
 */
export function resettable(signal) {
  let counting = null;
  const stop = () => {
    counting?.stopping.abort();
    counting = null;
  };
  const to = (until, tick, end) => {
    if (counting?.until === until) {
      return;
    }

    stop();
    counting = { until, stopping: new AbortController() };
    countdown(until, tick, () => {
      counting = null;
      end();
    }, AbortSignal.any([signal, counting.stopping.signal]));
  };
  return { to, stop };
}
