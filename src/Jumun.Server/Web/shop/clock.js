// The server's time, as well as a browser can know it. Countdowns keep to it, whatever the clock of this machine says.

/** How many of the last events are remembered: of these the fastest one tells best. */
const remembered = 8;

/** The server's time minus this page's own, in milliseconds, from events of live streams, newest last. */
const samples = [];

/** The same from answers' Date headers, which know whole seconds only: better than nothing before the first event. */
let rough = null;

/** The page's own time never jumps. */
const own = () => performance.now();

/** The server's time now, in milliseconds since 1970: never ahead of it, and behind it by the shortest way of an event. */
export function now() {
  const offset = samples.length > 0 ? Math.max(...samples) : rough ?? Date.now() - own();
  return own() + offset;
}

/** An event said what time it was when it was sent. What it needed to come here makes it seem earlier, never later. */
export function heard(time) {
  samples.push(Date.parse(time) - own());
  if (samples.length > remembered) {
    samples.shift();
  }
}

/** An answer's Date header. */
export function dated(header) {
  const time = Date.parse(header ?? '');
  if (!Number.isNaN(time)) {
    rough = Math.max(rough ?? -Infinity, time - own());
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
 * @returns {(until: number, tick: (seconds: number) => void, end: () => void) => void}
 */
export function resettable(signal) {
  let counting = null;
  return (until, tick, end) => {
    if (counting?.until === until) {
      return;
    }

    counting?.stop.abort();
    counting = { until, stop: new AbortController() };
    countdown(until, tick, () => {
      counting = null;
      end();
    }, AbortSignal.any([signal, counting.stop.signal]));
  };
}
