// What the shop says, in English and Korean. A refusal's title comes from the server in the same language, and so do its fields' rules.

import { forGood } from './storage.js';

const place = 'jumun.language';
const known = ['en', 'ko'];

let current = known.find(one => one === forGood.getItem(place))
  ?? (navigator.languages.map(one => one.slice(0, 2)).find(one => known.includes(one)) ?? 'en');

export const language = () => current;

/** The language that is not spoken now. */
export const otherLanguage = () => (current === 'ko' ? 'en' : 'ko');

export function speak(newLanguage) {
  current = newLanguage;
  forGood.setItem(place, current);
}

/** A text, with its values. */
export function say(name, ...values) {
  const text = texts[name][current === 'ko' ? 1 : 0];
  return typeof text === 'function' ? text(...values) : text;
}

export const number = value => new Intl.NumberFormat(current).format(value);

export const money = value => (current === 'ko' ? `${number(value)}원` : `₩${number(value)}`);

export const time = iso => new Intl.DateTimeFormat(current, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso));

/** Seconds as a clock shows them: 0:59, 1:02:03; from two days on in words. */
export function duration(seconds) {
  if (seconds >= 2 * 86400) {
    return say('days', Math.floor(seconds / 86400));
  }

  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = part => String(part).padStart(2, '0');
  return parts[0] > 0 ? `${parts[0]}:${two(parts[1])}:${two(parts[2])}` : `${parts[1]}:${two(parts[2])}`;
}

/** What a coupon takes off. */
export const discount = ({ kind, value }) => say('off', kind === 'amount' ? money(value) : `${value}%`);

const pieces = count => `${number(count)} ${count === 1 ? 'piece' : 'pieces'}`;

const texts = {
  // The page
  skip: ['Skip to the content', '본문으로 건너뛰기'],
  places: ['Shop', '상점'],
  products: ['Products', '상품'],
  coupons: ['Coupons', '쿠폰'],
  cart: ['Cart', '장바구니'],
  orders: ['Orders', '주문'],
  points: ['Points', '포인트'],
  balance: [amount => `Balance ${amount}`, amount => `잔액 ${amount}`],
  cartHolds: [lines => `${lines} in the cart`, lines => `장바구니에 ${lines}개`],
  signOut: ['Sign out', '로그아웃'],
  loading: ['Loading', '불러오는 중'],
  otherLanguage: ['한국어', 'English'],
  repeating: ['No answer yet. The same request goes out again; it happens once.', '아직 응답이 없습니다. 같은 요청을 다시 보냅니다. 한 번만 처리됩니다.'],
  askingAgain: ['No answer yet. The shop is asked again.', '아직 응답이 없습니다. 다시 요청합니다.'],
  unreachable: ['The shop cannot be reached', '상점에 연결할 수 없습니다'],
  unreachableDetail: ['Nobody knows yet whether this was done. Try again: it happens once at most.', '처리되었는지 아직 알 수 없습니다. 다시 시도해도 한 번만 처리됩니다.'],
  notSettled: ['Not settled yet', '아직 처리 중'],
  trace: [id => `If it stays so, tell the shop this number: ${id}`, id => `계속되면 이 번호를 상점에 알려 주세요: ${id}`],
  unreachableRead: ['Look whether you are connected, and try again.', '연결을 확인하고 다시 시도하세요.'],
  again: ['Try again', '다시 시도'],
  more: ['Show more', '더 보기'],
  live: ['Live', '실시간'],
  reconnecting: ['Reconnecting', '다시 연결 중'],
  days: [count => `${count} days`, count => `${count}일`],
  close: ['Keep it', '그대로 두기'],

  // What a buyer can do about a "no"; the title above it is the server's
  problem: [
    {
      unauthenticated: 'Sign in again.',
      forbidden: 'This belongs to another member.',
      invalid_request: 'Look at what you filled in, and try again.',
      not_found: 'There is nothing here.',
      product_not_found: 'The shop has no such product.',
      coupon_not_found: 'The shop has no such coupon.',
      order_not_found: 'You have no such order.',
      payment_not_found: 'You have no such payment.',
      product_not_on_sale: 'Nothing was ordered. Order without what is not on sale any more.',
      out_of_stock: 'Fewer are left than you want; nothing was ordered.',
      price_changed: 'Nothing was ordered.',
      coupon_sold_out: 'All of them have been issued.',
      coupon_already_issued: 'You have this coupon already; there is one for each member.',
      coupon_not_open: 'Nobody can take it yet. Wait until it opens.',
      coupon_closed: 'The time to take it is over.',
      coupon_not_usable: 'Nothing was ordered. Order without this coupon, or with another.',
      insufficient_balance: 'Nothing was deducted. Charge points, and pay while there is time.',
      balance_limit: 'Your balance may not grow so large; nothing was added. Spend points first.',
      payment_already_completed: 'The order was paid already; nothing was deducted again.',
      order_expired: 'The time to pay is over. What the order held was given back; order again.',
      order_cancelled: 'The order was cancelled and cannot be paid. Order again.',
      order_not_cancellable: 'The order has ended already, or the time to refund it is over.',
      idempotency_key_in_use: 'The shop is still at it. Try again in a moment.',
      rate_limited: 'These were too many requests at once. Wait a moment, and try again.',
      unavailable: 'The shop cannot do this for the moment. Try again in a moment.',
      internal_error: 'Something is wrong on our side.',
    },
    {
      unauthenticated: '다시 로그인하세요.',
      forbidden: '다른 회원의 것입니다.',
      invalid_request: '입력한 내용을 확인하고 다시 시도하세요.',
      not_found: '여기에는 아무것도 없습니다.',
      product_not_found: '없는 상품입니다.',
      coupon_not_found: '없는 쿠폰입니다.',
      order_not_found: '회원님의 주문 중에 없습니다.',
      payment_not_found: '회원님의 결제 중에 없습니다.',
      product_not_on_sale: '주문하지 않았습니다. 판매가 중지된 상품을 빼고 주문하세요.',
      out_of_stock: '원하는 수량보다 재고가 적어 주문하지 않았습니다.',
      price_changed: '주문하지 않았습니다.',
      coupon_sold_out: '모두 발급되었습니다.',
      coupon_already_issued: '이미 받은 쿠폰입니다. 회원마다 한 장입니다.',
      coupon_not_open: '아직 받을 수 없습니다. 시작될 때까지 기다려 주세요.',
      coupon_closed: '발급 기간이 끝났습니다.',
      coupon_not_usable: '주문하지 않았습니다. 쿠폰 없이 또는 다른 쿠폰으로 주문하세요.',
      insufficient_balance: '차감하지 않았습니다. 결제 기한 안에 포인트를 충전하고 결제하세요.',
      balance_limit: '잔액 한도를 넘게 되어 추가하지 않았습니다. 먼저 포인트를 사용하세요.',
      payment_already_completed: '이미 결제된 주문입니다. 다시 차감하지 않았습니다.',
      order_expired: '결제 기한이 지나 잡아 둔 것이 반환되었습니다. 다시 주문하세요.',
      order_cancelled: '취소된 주문은 결제할 수 없습니다. 다시 주문하세요.',
      order_not_cancellable: '이미 끝난 주문이거나 환불 기한이 지났습니다.',
      idempotency_key_in_use: '아직 처리하고 있습니다. 잠시 후 다시 시도하세요.',
      rate_limited: '요청이 한꺼번에 너무 많았습니다. 잠시 후 다시 시도하세요.',
      unavailable: '지금은 처리할 수 없습니다. 잠시 후 다시 시도하세요.',
      internal_error: '상점에 문제가 있습니다.',
    },
  ],

  // Signing in
  signIn: ['Sign in', '로그인'],
  signInLead: ['A shop for things that everybody wants at once.', '모두가 동시에 원하는 것을 파는 상점.'],
  demoLead: ['This is a developer’s shop. Be one of its demo members:', '개발용 상점입니다. 데모 회원으로 둘러보세요.'],
  signInAs: [member => `Sign in as ${member}`, member => `${member} 회원으로 로그인`],
  token: ['Token', '토큰'],
  tokenHint: ['A bearer token of this shop. It is kept in this tab only.', '이 상점의 베어러 토큰. 이 탭에만 보관됩니다.'],
  tokenWrong: ['This is no token: it has three parts with dots between them.', '토큰이 아닙니다. 토큰은 점으로 이어진 세 부분입니다.'],
  tokenRefused: ['The shop does not take this token: it is for another shop, or no longer good.', '이 상점에서 쓸 수 없는 토큰입니다. 다른 상점의 토큰이거나 만료되었습니다.'],
  signedOut: ['Your session has ended. Sign in again.', '세션이 끝났습니다. 다시 로그인하세요.'],

  // Products
  search: ['Search products', '상품 검색'],
  found: [count => `${count} ${count === 1 ? 'product' : 'products'}`, count => `상품 ${count}개`],
  searchForMore: ['There are more: search for them by name.', '상품이 더 있습니다. 이름으로 검색하세요.'],
  foundNone: ['Nothing on sale has this name.', '이 이름의 판매 중인 상품이 없습니다.'],
  top: ['Most bought', '인기 상품'],
  topLead: ['in the last three days', '최근 3일'],
  topNone: ['Nothing was bought yet. Be the first.', '아직 구매가 없습니다. 첫 구매자가 되어 보세요.'],
  sold: [count => `${number(count)} sold`, count => `${number(count)}개 판매`],
  left: [count => `${number(count)} left`, count => `${number(count)}개 남음`],
  soldOut: ['Sold out', '품절'],
  notOnSale: ['Not on sale', '판매 중지'],
  inStock: ['In stock', '재고'],
  quantity: ['Quantity', '수량'],
  addToCart: ['Add to cart', '장바구니에 담기'],
  added: ['It is in your cart.', '장바구니에 담았습니다.'],
  orderNow: ['Order now', '바로 주문'],
  nowLeft: [count => `${pieces(count)} left now`, count => `지금 ${number(count)}개 남음`],
  back: [to => `← ${to}`, to => `← ${to}`],

  // Coupons
  couponsLead: ['First come, first served, one for each member.', '선착순, 회원마다 한 장.'],
  myCoupons: ['My coupons', '내 쿠폰'],
  myCouponsNone: ['You have none yet.', '아직 없습니다.'],
  off: [what => `${what} off`, what => `${what} 할인`],
  atMost: [amount => `${amount} at most`, amount => `최대 ${amount}`],
  minimum: [amount => `for orders from ${amount}`, amount => `${amount} 이상 주문`],
  usableUntil: [when => `usable until ${when}`, when => `${when}까지 사용`],
  opensAt: [when => `opens ${when}`, when => `${when} 시작`],
  open: ['Open now', '발급 중'],
  soon: ['Soon', '곧 시작'],
  closed: ['Closed', '발급 종료'],
  have: ['You have it', '보유 중'],
  gone: ['Sold out', '소진'],
  remaining: ['Remaining', '남은 수량'],
  of: [count => `of ${number(count)}`, count => `/ ${number(count)}장`],
  take: ['Take this coupon', '쿠폰 받기'],
  taking: ['Taking …', '받는 중…'],
  opensIn: [left => `Opens in ${left}`, left => `${left} 후 시작`],
  opened: ['It is open. Take it now.', '발급이 시작되었습니다.'],
  taken: [place => `It is yours: number ${number(place)}.`, place => `받았습니다. ${number(place)}번째입니다.`],
  takenLead: ['Hand it in with your next order.', '다음 주문에 사용하세요.'],
  goneYours: [place => `Sold out. You have number ${number(place)}.`, place => `모두 소진되었습니다. ${number(place)}번째로 받은 쿠폰이 있습니다.`],
  heldIt: [place => `An order of yours holds it, number ${number(place)}, until it is paid.`, place => `${number(place)}번째로 받은 이 쿠폰은 결제를 기다리는 주문에 사용 중입니다.`],
  usedIt: [place => `You have used it: number ${number(place)}.`, place => `${number(place)}번째로 받은 이 쿠폰은 사용했습니다.`],
  expiredIt: [place => `You had number ${number(place)}. The time to use it is over.`, place => `${number(place)}번째로 받은 이 쿠폰은 사용 기한이 지났습니다.`],
  toOrder: ['To the order', '주문 보기'],
  goneLead: ['All of them have been issued.', '모두 발급되었습니다.'],
  closedLead: ['The time to take it is over.', '발급 기간이 끝났습니다.'],
  shop: ['Go shopping', '쇼핑하러 가기'],
  place: [number => `No. ${number}`, number => `${number}번`],
  couponStatus: [
    { available: 'Available', held: 'Held by an order', used: 'Used', expired: 'Expired' },
    { available: '사용 가능', held: '주문에 사용 중', used: '사용 완료', expired: '기간 만료' },
  ],

  // Points
  yourBalance: ['Your balance', '잔액'],
  charge: ['Charge points', '포인트 충전'],
  amount: ['Amount in won', '금액(원)'],
  amountHint: ['From 1 to 100,000,000.', '1원부터 100,000,000원까지.'],
  chargeIt: ['Charge', '충전'],
  charged: [balance => `Charged. Your balance is ${balance}.`, balance => `충전했습니다. 잔액은 ${balance}입니다.`],
  chargedEarlier: [amount => `Your earlier charge of ${amount} had arrived.`, amount => `앞서 요청한 ${amount} 충전이 이미 처리되어 있었습니다.`],
  chargedEarlierLead: ['Nothing was charged again. For more, charge once more.', '다시 충전하지 않았습니다. 더 필요하면 한 번 더 충전하세요.'],
  history: ['History', '내역'],
  historyNone: ['Nothing was charged yet.', '아직 충전한 적이 없습니다.'],
  when: ['When', '일시'],
  what: ['What', '구분'],
  change: ['Change', '변동'],
  after: ['Balance after', '변동 후 잔액'],
  kind: [
    { charge: 'Charge', payment: 'Payment', refund: 'Refund' },
    { charge: '충전', payment: '결제', refund: '환불' },
  ],

  // Cart
  cartNone: ['Your cart is empty.', '장바구니가 비어 있습니다.'],
  product: ['Product', '상품'],
  price: ['Price', '가격'],
  sum: ['Sum', '합계'],
  remove: ['Remove', '삭제'],
  removeOf: [name => `Remove ${name}`, name => `${name} 삭제`],
  quantityOf: [name => `Quantity of ${name}`, name => `${name} 수량`],
  onlyLeft: [count => `only ${number(count)} left`, count => `${number(count)}개만 남음`],
  yourOrder: ['Your order', '주문 내용'],
  coupon: ['Coupon', '쿠폰'],
  noCoupon: ['Without a coupon', '사용하지 않음'],
  notForThis: [minimum => `from ${minimum}`, minimum => `${minimum} 이상`],
  subtotal: ['Subtotal', '상품 금액'],
  discount: ['Discount', '할인'],
  total: ['Total', '총액'],
  order: ['Order', '주문하기'],
  orderLead: ['Stock and coupon are held for you; then you pay.', '재고와 쿠폰을 잡아 둔 뒤 결제합니다.'],
  shortage: [(name, requested, available) => `${name}: ${number(requested)} wanted, ${number(available)} left`,
    (name, requested, available) => `${name}: ${number(requested)}개 요청, ${number(available)}개 남음`],
  totalNow: [total => `The total is ${total} now. Look at it, and order again.`, total => `현재 총액은 ${total}입니다. 확인하고 다시 주문하세요.`],
  reason: [
    { not_held: 'You do not have this coupon.', held_by_order: 'Another order of yours holds it.', used: 'It was used.', expired: 'Its time is over.', minimum_not_met: 'The order is too small for it.' },
    { not_held: '보유하지 않은 쿠폰입니다.', held_by_order: '다른 주문이 사용하고 있습니다.', used: '이미 사용했습니다.', expired: '기간이 끝났습니다.', minimum_not_met: '최소 주문 금액보다 적습니다.' },
  ],

  orderedEarlier: ['Your earlier order had arrived. This is it; nothing was ordered again.', '앞서 요청한 주문이 이미 접수되어 있었습니다. 그 주문이며, 다시 주문하지 않았습니다.'],

  // Orders
  ordersNone: ['You have not ordered yet.', '아직 주문이 없습니다.'],
  orderOf: [when => `Order of ${when}`, when => `${when} 주문`],
  andMore: [(name, others) => `${name} and ${others} more`, (name, others) => `${name} 외 ${others}개`],
  status: [
    { pending_payment: 'To be paid', completed: 'Paid', expired: 'Expired', cancelled: 'Cancelled', refunded: 'Refunded' },
    { pending_payment: '결제 대기', completed: '결제 완료', expired: '기한 만료', cancelled: '취소됨', refunded: '환불됨' },
  ],
  details: ['Details', '상세'],
  pay: [total => `Pay ${total}`, total => `${total} 결제`],
  payWithin: ['Pay within', '남은 결제 시간'],
  paid: ['Paid. Thank you!', '결제되었습니다. 감사합니다!'],
  paidOn: [when => `Paid on ${when}.`, when => `${when}에 결제했습니다.`],
  paidAt: ['Paid', '결제 일시'],
  expiredLead: ['The time to pay is over. What the order held was given back; order again.', '결제 기한이 지났습니다. 잡아 둔 것은 반환되었습니다. 다시 주문하세요.'],
  cancelledLead: ['The order was cancelled. What it held was given back.', '주문을 취소했습니다. 잡아 둔 것은 반환되었습니다.'],
  refundedLead: [hasCoupon => `The order was refunded: the money is in your balance${hasCoupon ? ', the coupon yours again' : ''}.`,
    hasCoupon => `환불되었습니다. 결제한 금액이 잔액으로 돌아왔습니다.${hasCoupon ? ' 쿠폰도 반환되었습니다.' : ''}`],
  cancel: ['Cancel the order', '주문 취소'],
  refund: ['Refund this order', '이 주문 환불'],
  sureCancel: ['Cancel this order?', '이 주문을 취소할까요?'],
  sureCancelLead: [hasCoupon => `Its pieces go back to the shop at once; somebody else may take them.${hasCoupon ? ' The coupon is yours again.' : ''}`,
    hasCoupon => `재고가 바로 반환되어 다른 사람이 가져갈 수 있습니다.${hasCoupon ? ' 쿠폰은 회원님께 반환됩니다.' : ''}`],
  sureRefund: ['Refund this order?', '이 주문을 환불할까요?'],
  sureRefundLead: [(total, hasCoupon) => `${total} comes back to your balance${hasCoupon ? ', and the coupon to you' : ''}.`,
    (total, hasCoupon) => `${total}이 잔액으로 돌아갑니다.${hasCoupon ? ' 쿠폰도 반환됩니다.' : ''}`],
  missing: [(balance, missing) => `Your balance is ${balance}; ${missing} are missing.`, (balance, missing) => `잔액은 ${balance}이고 ${missing}이 부족합니다.`],
  chargeMissing: [missing => `Charge ${missing}`, missing => `${missing} 충전`],
};
