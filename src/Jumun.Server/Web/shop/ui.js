// Parts that several views are made of.

import { Refusal } from './api.js';
import { money, number, say } from './words.js';

/** An element: attributes by name, listeners as functions (onclick), children as elements or texts; null is left out. */
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === 'function') {
      element.addEventListener(key.slice(2), value);
    } else if (value === true) {
      element.setAttribute(key, '');
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, value);
    }
  }

  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** Puts a text where another one is, and touches nothing when it is the same: a screen reader hears only news. */
export function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** A place where something is said about what stands beside it: politely, and until something else is said. */
export function noteSlot() {
  const slot = h('div', { 'aria-live': 'polite', class: 'slot' });
  return Object.assign(slot, {
    clear: () => slot.replaceChildren(),
    tell: (kind, title, ...more) => slot.replaceChildren(note(kind, title, ...more)),

    /** @param {(problem: object) => (Node|string|null)[]} more what this view knows to add to a refusal */
    refuse: (error, more = () => []) => slot.replaceChildren(refusal(error, more)),
  });
}

export const note = (kind, title, ...more) => h('div', { class: `note ${kind}` },
  h('strong', {}, title), more.flat().filter(one => one !== null && one !== '').map(one => (typeof one === 'string' ? h('p', {}, one) : one)));

/** What the pages call the API's fields. */
const fieldNames = { amount: 'amount', quantity: 'quantity', query: 'search', items: 'products', couponId: 'coupon', expectedTotal: 'total' };

/** A "no" in the reader's language: what it is, what a buyer can do about it, the fields that are wrong, and what the view adds. */
function refusal(error, more) {
  if (!(error instanceof Refusal)) {
    return note('bad', say('unreachable'), say(error.isUnsure ? 'unreachableDetail' : 'unreachableRead'));
  }

  const { code, title, detail, errors, outcome, traceId } = error.problem;
  const fields = Object.entries(errors ?? {}).flatMap(([field, texts]) => {
    const name = fieldNames[field.split('.').at(-1)];
    return texts.map(text => (name === undefined ? text : `${say(name)}: ${text}`));
  });
  return note('bad', code === 'idempotency_key_in_use' ? say('notSettled') : title, say('problem')[code] ?? detail,
    error.isUnsure && code !== 'rate_limited' && outcome !== 'none' ? say('unreachableDetail') : null,
    code === 'internal_error' ? say('trace', traceId) : null, ...fields, ...more(error.problem));
}

/** Says something that belongs to no place, for a moment. */
export function toast(text) {
  const toasts = document.getElementById('toasts');
  const one = h('p', { class: 'toast' }, text);
  toasts.append(one);
  while (toasts.children.length > 3) {
    toasts.firstChild.remove();
  }

  setTimeout(() => one.remove(), 5000);
}

/**
 * A button that does something which takes time: meanwhile it is busy and cannot be pressed again.
 * @param {() => Promise<void>} action
 */
export function actionButton(text, style, action) {
  const button = h('button', { class: `button ${style}`, type: 'button' }, text);
  button.addEventListener('click', () => busy(button, action));
  return button;
}

/** Runs an action while its button is busy. Not disabled: the focus would be lost. */
export async function busy(button, action) {
  if (button.getAttribute('aria-busy') === 'true' || button.getAttribute('aria-disabled') === 'true') {
    return;
  }

  button.setAttribute('aria-busy', 'true');
  try {
    await action();
  } finally {
    button.removeAttribute('aria-busy');
  }
}

/** Says whether a button can be pressed. It keeps its place in the order of the keyboard, so that it can say why not. */
export function enable(button, isEnabled) {
  if (isEnabled) {
    button.removeAttribute('aria-disabled');
  } else {
    button.setAttribute('aria-disabled', 'true');
  }
}

export const badge = (text, kind = '') => h('span', { class: `badge ${kind}` }, text);

export const heading = text => h('h1', { tabindex: '-1' }, text);

export const backLink = (text, href) => h('p', {}, h('a', { href, class: 'back' }, say('back', text)));

export const empty = (...children) => h('div', { class: 'empty' }, ...children);

/** A field with its label, a hint and a place for what is wrong. */
export function field(label, input, hint) {
  input.id ||= `field-${++fields}`;
  const hintId = `${input.id}-hint`;
  if (hint !== undefined) {
    input.setAttribute('aria-describedby', hintId);
  }

  return h('div', { class: 'field' }, h('label', { for: input.id }, label), input, hint === undefined ? null : h('span', { class: 'hint', id: hintId }, hint));
}

let fields = 0;

/** A list of facts: pairs of a name and a value; a third true marks the sum. */
export const facts = (...pairs) => h('dl', { class: 'facts' },
  pairs.filter(pair => pair !== null).flatMap(([name, value, isSum]) => [h('dt', { class: isSum ? 'sum' : '' }, name), h('dd', { class: isSum ? 'sum' : '' }, value)]));

/** A discount's name, with that of the coupon. */
export const discountOf = coupon => [say('discount'), h('span', { class: 'small of-coupon' }, named(coupon.name))];

/** A name whose parts stand together as long as the line allows: it breaks behind a dot rather than inside a part. */
export const named = name => name.split(' · ').flatMap((part, place, { length }) => [
  ...(place === 0 ? [] : [' ']), h('span', { class: 'part' }, place === length - 1 ? part : `${part}\u00a0·`)]);

/** Puts a name where another one is, and touches nothing when it is the same. */
export function writeName(element, name) {
  if (element.dataset.name !== name) {
    element.dataset.name = name;
    element.replaceChildren(...named(name));
  }
}

/** How many pieces of a product can be ordered, in words and colour. */
export const stockBadge = ({ stock, onSale }) => (!onSale ? badge(say('notOnSale'))
  : stock === 0 ? badge(say('soldOut'), 'bad')
  : stock <= 20 ? badge(say('left', stock), 'warn')
  : badge(say('left', stock), 'good'));

/** The badge of a live stream: told whether it is connected. */
export function liveBadge() {
  const element = badge(say('reconnecting'));
  return {
    element,
    tell(isLive) {
      write(element, say(isLive ? 'live' : 'reconnecting'));
      element.className = isLive ? 'badge good live' : 'badge warn';
    },
  };
}

/** A number that people watch: it moves a little when it changes. */
export function moving(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
    element.classList.remove('moved');
    void element.offsetWidth;
    element.classList.add('moved');
  }
}

/**
 * A list with a button for its next page.
 * @param {string} path the list's path, with its query
 * @param {(item: object) => Node} show one item
 * @param {Node} list where items go
 * @param {(path: string) => Promise<object>} read reads a page
 */
export async function pagedList(path, show, list, read) {
  const more = actionButton(say('more'), 'wide', () => next());
  const slot = noteSlot();
  let cursor = null;
  const next = async () => {
    try {
      const page = await read(cursor === null ? path : `${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`);
      list.append(...page.items.map(show));
      cursor = page.next;
      more.hidden = cursor === null;
      slot.clear();
      return page.items.length;
    } catch (error) {
      if (cursor === null) {
        throw error;
      }

      slot.refuse(error);
      return 0;
    }
  };
  const count = await next();
  return { count, footer: h('div', { class: 'stack tight' }, more, slot) };
}

/** Asks before something that cannot be undone; true when it was confirmed. */
export function confirm(title, text, yes) {
  const id = `dialog-${++fields}`;
  const dialog = h('dialog', { 'aria-labelledby': id },
    h('form', { method: 'dialog', class: 'stack' },
      h('h2', { id }, title), h('p', {}, text),
      h('div', { class: 'row' },
        h('button', { class: 'button danger', value: 'yes' }, yes), h('button', { class: 'button', value: 'no', autofocus: true }, say('close')))));
  document.body.append(dialog);
  return new Promise(resolve => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    dialog.showModal();
  });
}

/** What a refusal of an order knows: which lines are short, what the total is, why the coupon does not do. */
export const orderFacts = names => ({ shortages, total, reason, productIds }) => [
  ...(shortages ?? []).map(one => say('shortage', names.get(one.productId) ?? number(one.productId), one.requested, one.available)),
  ...(productIds ?? []).map(id => names.get(id) ?? number(id)),
  reason === undefined ? null : say('reason')[reason],
  total === undefined ? null : say('totalNow', money(total)),
];

/** Does something again and again while the page is looked at, until the signal says that it is enough. */
export async function everySeconds(seconds, action, signal) {
  while (!signal.aborted) {
    await new Promise(resolve => setTimeout(resolve, seconds * 1000 * (0.9 + Math.random() / 5)));
    if (!signal.aborted && !document.hidden) {
      try {
        await action();
      } catch {
        // The next round may do better; what was asked for by hand says what is wrong.
      }
    }
  }
}
