// Fields that show back tidy what people give, and say what is wrong beside it.
import { brandOf, doubts, faults, sent, shapes, tidy } from "./card.js";
import { all, fill, find, mark } from "./dom.js";

/** What the fields have to know of the page. @type {Page} */
export const page = { w: {}, brands: [], now: () => 0 };

const solid = /[\p{L}\p{N}]/u;
const field = (/** @type {any} */ target) => target.matches?.("input[data-k]") ? target : null;

/** What a field adds to the request. @param {any} control */
export function valueOf(control) {
  const { name, value, dataset } = find("input:checked", control) ?? control;
  return sent[dataset.k]?.(value) ?? { [name]: (tidy[dataset.k] ?? tidy.name)(value) };
}

/** What is wrong with a field, in words. @param {any} control @param {any} rules @returns {string | null} */
export function fault(control, rules = faults) {
  const { w } = page;
  const { k, e } = control.dataset;
  const name = find("legend, [data-t^=l_]", control.closest(".field")).textContent;
  const label = document.documentElement.lang === "en" ? name[0].toLowerCase() + name.slice(1) : name;
  if (!(k === "pick" ? find("input:checked", control) : control.value.trim())) {
    return w[e] ?? fill(w.missing_parameter, { label });
  }
  const { code } = brandOf(find("#number")?.value ?? "");
  const key = rules[k]?.(control.value, page.now(), code);
  return key ? fill(w[key], { label, n: code ?? 3 }) : k === "number" ? refusal(control.value) : null;
}

/** Say what is wrong with a field, or may be. @param {any} control */
export function check(control) {
  const wrong = fault(control);
  mark(control, wrong ?? fault(control, doubts), !wrong);
}

/** A brand that is not taken here. @param {string} number */
function refusal(number) {
  const { id, name } = brandOf(number);
  if (!id || !page.brands.length || page.brands.includes(id)) return null;
  return fill(page.w.unsupported_card_brand, { brand: name, brands: find("[data-t=brands]").textContent });
}

/** The caret stays behind as many signs as before. @param {HTMLInputElement} input @param {string} text */
function put(input, text) {
  if (input.value === text) return;
  const at = input.selectionStart ?? 0;
  const left = at === input.value.length ? 99 : [...input.value.slice(0, at)].filter((one) => solid.test(one)).length;
  const focused = document.activeElement === input;
  // As if it were typed: undo goes on working.
  if (focused) input.select();
  if (!focused || !document.execCommand("insertText", false, text)) input.value = text;
  let to = 0;
  for (let seen = 0; seen < left && to < text.length; to += 1) if (solid.test(text[to])) seen += 1;
  if (focused) input.setSelectionRange(to, to);
}

let shaping = false;
/** @param {any} input @param {InputEvent} [event] none: it did not come sign by sign */
export function shape(input, event) {
  const { k } = input.dataset;
  const deleting = event?.inputType?.startsWith("delete") ?? false;
  // NaN: even if expired.
  const now = /\p{Nd}{4}/u.test(input.value) ? NaN : page.now();
  const whole = k === "expiry" && !deleting && event?.data?.length !== 1 && !faults.expiry(input.value, now);
  shaping = true;
  if (shapes[k]) put(input, (whole ? tidy : shapes)[k](input.value, deleting));
  shaping = false;
  if (k === "number") showBrand(input);
  if (find(".err", input.closest(".field")) && !fault(input)) mark(input, null);
}

/** One that is not taken is said at once: more digits cannot help. @param {any} input */
function showBrand(input) {
  const { name = "", tile = "", code = 3 } = brandOf(input.value);
  const [shown, voice, hint] = [".tile", ".tile + .sr", "#code-h"].map((selector) => find(selector));
  shown.hidden = !tile;
  shown.textContent = tile;
  if (voice.textContent !== name) voice.textContent = name;
  hint.dataset.t = code === 4 ? "code_front" : "code_back";
  hint.textContent = page.w[hint.dataset.t];
  find("#code").parentElement.dataset.digits = code;
  const refused = refusal(input.value);
  if (refused) mark(input, refused);
}

/** @param {Found} form */
export function watch(form) {
  form.addEventListener("input", (event) => {
    const input = field(event.target);
    if (input && !shaping && !event.isComposing && !event.inputType?.startsWith("history")) shape(input, event);
  });
  form.addEventListener("compositionend", ({ target }) => {
    // Not at once: Safari reports the end before the value is in.
    if (field(target)) setTimeout(shape, 0, target);
  });
  form.addEventListener("focusout", ({ target }) => {
    const input = field(target);
    if (!input?.value) return;
    put(input, tidy[input.dataset.k]?.(input.value) ?? input.value);
    for (const other of all(`input[name="${input.name}"]`, form)) other.value ||= input.value;
    const show = () => check(input);
    // Nothing moves away from under a press.
    if (find(":active")) addEventListener("mouseup", show, { once: true });
    else show();
  });
  form.addEventListener("beforeinput", (/** @type {any} */ event) => {
    const { target: input, inputType } = event;
    const step = inputType === "deleteContentBackward" ? -1 : inputType === "deleteContentForward" && 1;
    if (!step || event.isComposing || !shapes[input.dataset.k]) return;
    // A gap is no sign of its own: deleting there takes the digit beyond it.
    const { value, selectionStart: start, selectionEnd: end } = input;
    const next = step < 0 ? end - 1 : start;
    let at = next;
    while (value[at] && !solid.test(value[at])) at += step;
    if (at === next || !value[at] || solid.test(value.slice(start, end))) return;
    input.setSelectionRange(at, at + 1);
    event.preventDefault();
    // Safari would delete where the caret was. Who cannot be kept from it takes the digit.
    if (!event.defaultPrevented) return;
    shaping = true;
    document.execCommand("delete");
    shape(input, event);
  });
  form.addEventListener("keydown", (event) => {
    // 229: this Enter chose a word in an input method; it does not pay.
    if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.preventDefault();
  });
}
