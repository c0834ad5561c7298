// The shop: finds the view that the address names, shows it, and keeps the bar on top true.

import * as api from './api.js';
import * as session from './session.js';
import { backLink, h, heading, noteSlot, toast, write } from './ui.js';
import { language, money, otherLanguage, say, speak } from './words.js';
import { cart } from './views/cart.js';
import { coupon } from './views/coupon.js';
import { coupons } from './views/coupons.js';
import { order } from './views/order.js';
import { orders } from './views/orders.js';
import { points } from './views/points.js';
import { product } from './views/product.js';
import { products } from './views/products.js';
import { signIn } from './views/sign-in.js';

/** Addresses and their views. A view is a function that loads what it needs and returns its element, with an h1. */
const views = [
  [/^#\/products$/, products],
  [/^#\/products\/(\d+)$/, product],
  [/^#\/coupons$/, coupons],
  [/^#\/coupons\/(\d+)$/, coupon],
  [/^#\/cart$/, cart],
  [/^#\/orders$/, orders],
  [/^#\/orders\/([0-9a-f-]{36})$/, order],
  [/^#\/points$/, points],
];

const places = ['products', 'coupons', 'cart', 'orders', 'points'];
const main = document.getElementById('main');
const balance = document.getElementById('balance');

/** Ends what the view before goes on doing. */
let leaving = new AbortController();
let isFirst = true;
let isLoading = false;

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, query] = (location.hash === '' ? '#/products' : location.hash).split('?');
  const [pattern, view] = session.member() === null ? [null, signIn] : views.find(([address]) => address.test(path)) ?? views[0];
  drawBar(path);
  isLoading = true;
  const waiting = setTimeout(() => signal.aborted || main.replaceChildren(skeleton()), isFirst ? 0 : 120);
  let content;
  try {
    const parameters = pattern?.exec(path)?.slice(1) ?? [];
    content = await view({ parameters, query: new URLSearchParams(query), signal, refresh });
  } catch (error) {
    if (session.member() === null) {
      // The token counts no longer; the view for that is on its way.
      return;
    }

    content = failed(error);
  } finally {
    clearTimeout(waiting);
    if (!signal.aborted) {
      isLoading = false;
    }
  }

  if (signal.aborted) {
    return;
  }

  main.replaceChildren(content);
  const title = main.querySelector('h1');
  document.title = `${title.textContent} · Jumun`;
  if (!isFirst) {
    // Whoever cannot see it hears where they are now.
    scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }

  isFirst = false;
}

/** How often the bar was asked for: an older answer says nothing any more, of this member or of the one before. */
let refreshes = 0;

/** The token that the shop has taken once; one from before the page was loaded has been. */
let taken = session.bearer();

/** What the bar says of the member: the balance, and how much is in the cart. Views call it when they changed that. */
async function refresh() {
  const turn = ++refreshes;
  const [member, token] = [session.member(), session.bearer()];
  if (member === null) {
    return;
  }

  const [wallet, lines] = await Promise.all([api.get(`/members/${member}/points`), api.get(`/members/${member}/cart`)]).catch(() => []);
  if (wallet !== undefined && turn === refreshes) {
    taken = token;
    balance.replaceChildren(h('span', { class: 'who' }, member), h('span', {}, h('span', { class: 'visually-hidden' }, say('balance', '')), money(wallet.balance)));
    const count = document.getElementById('cart-count');
    count.hidden = lines.items.length === 0;
    count.replaceChildren(h('span', { 'aria-hidden': 'true' }, String(lines.items.length)), h('span', { class: 'visually-hidden' }, say('cartHolds', lines.items.length)));
  }
}

function drawBar(path) {
  document.documentElement.lang = language();
  const isSignedIn = session.member() !== null;
  const nav = document.getElementById('places');
  nav.hidden = !isSignedIn;
  nav.setAttribute('aria-label', say('places'));
  const list = nav.querySelector('ul');
  if (list.lang !== language()) {
    list.lang = language();
    list.replaceChildren(...places.map(name => h('li', {}, h('a', { href: `#/${name}`, 'data-place': name }, say(name),
      name === 'cart' ? h('span', { class: 'badge accent', id: 'cart-count', hidden: true }) : null))));
  }

  for (const link of list.querySelectorAll('a')) {
    if (path.startsWith(link.hash)) {
      link.setAttribute('aria-current', 'page');
    } else {
      link.removeAttribute('aria-current');
    }
  }

  balance.hidden = !isSignedIn;
  if (!isSignedIn) {
    balance.replaceChildren();
    document.getElementById('cart-count').hidden = true;
  }

  const signOut = document.getElementById('sign-out');
  signOut.hidden = !isSignedIn;
  write(signOut, say('signOut'));
  const other = document.getElementById('language');
  write(other, say('otherLanguage'));
  other.lang = otherLanguage();
  write(document.getElementById('skip'), say('skip'));
}

const skeleton = () => h('div', { class: 'stack', role: 'status' },
  h('span', { class: 'visually-hidden' }, say('loading')),
  ...['skeleton skeleton-title', 'skeleton skeleton-block', 'skeleton skeleton-block'].map(name => h('div', { class: name, 'aria-hidden': 'true' })));

function failed(error) {
  const slot = noteSlot();
  slot.refuse(error);
  return h('div', { class: 'stack' },
    backLink(say('products'), '#/products'), heading(error instanceof api.Refusal ? error.problem.title : say('unreachable')), slot,
    h('div', {}, h('button', { class: 'button', type: 'button', onclick: show }, say('again'))));
}

function begin() {
  show();
  refresh();
}

addEventListener('hashchange', show);
session.changes.addEventListener('change', ({ detail }) => {
  if (detail?.refused) {
    toast(say(detail.refused === taken ? 'signedOut' : 'tokenRefused'));
  }

  begin();
});
document.getElementById('language').addEventListener('click', () => {
  speak(otherLanguage());
  begin();
});
document.getElementById('sign-out').addEventListener('click', () => session.end());
document.getElementById('skip').addEventListener('click', event => {
  event.preventDefault();
  main.focus();
});

let toldAt = -Infinity;
api.events.addEventListener('repeat', ({ detail: { isChange } }) => {
  // What a page that stands asks for in the background disturbs nobody. Several requests may wait at once: once is enough.
  if ((isChange || isLoading) && performance.now() - toldAt > 5000) {
    toldAt = performance.now();
    toast(say(isChange ? 'repeating' : 'askingAgain'));
  }
});

begin();
