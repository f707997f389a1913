// What <komoju-picker> shows: the methods of a session, one of them chosen.

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`:host { display: block; }
fieldset { display: grid; gap: 8px; min-width: 0; margin: 0; padding: 0 0 var(--fields-gap, 16px); border: 0; }
legend { padding: 0 0 6px; font-weight: var(--fields-label-weight, 600); }
label { display: flex; align-items: center; gap: 12px; min-height: 44px; padding: 4px 12px; cursor: pointer;
  border: 1px solid var(--fields-edge, #84898f); border-radius: var(--fields-radius, 12px); }
label:has(:checked) { border-color: var(--fields-accent, currentcolor);
  box-shadow: inset 0 0 0 1px var(--fields-accent, currentcolor); }
label:has(:focus-visible) { outline: 3px solid var(--fields-focus, #2458c6); outline-offset: 2px; }
input { flex: none; width: 20px; height: 20px; margin: 0; accent-color: var(--fields-accent, auto); outline: 0; }
small { margin-left: auto; font-size: .8125em; }`);

/** @param {string} tag @param {object} properties @param {...Node} inside @returns {any} */
function make(tag, properties, ...inside) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
}

/** @param {any} picker */
export function draw(picker) {
  const root = picker.shadowRoot ?? picker.attachShadow({ mode: "open", delegatesFocus: true });
  const id = picker.getAttribute("fields"), theme = picker.getAttribute("theme");
  const near = (/** @type {any} */ within) => id ? within.getElementById(id) : within.querySelector("komoju-fields");
  const fields = near(picker.getRootNode()) ?? near(document);
  // The picker's language is the element's too, unless that has its own.
  if (fields && fields.locale !== picker.locale && (!fields.locale || fields.locale === picker.given)) {
    picker.given = fields.locale = picker.locale;
  }
  if (!root.adoptedStyleSheets.length || picker.dressed !== theme) {
    picker.dressed = theme;
    const own = new CSSStyleSheet();
    root.adoptedStyleSheets = [STYLE, own];
    if (theme) import("./fields-theme.js").then(({ css }) => css(theme)).then((text) => own.replaceSync(text.includes("{") ? text : `:host{${text}}`));
  }
  const { texts, session, first } = fields ?? {};
  const types = texts && session ? session.payment_methods.map((/** @type {{type: string}} */ { type }) => type) : [];
  const offered = types.filter((/** @type {string} */ type) => texts.methods[type]);
  // What the shopper chose may be of an earlier session; what the shop's page has set is not ours to change.
  if (offered.length && !offered.includes(fields.paymentType) && [first, picker.chosen].includes(fields.paymentType)) {
    picker.chosen = fields.paymentType = offered[0];
  }
  const shown = JSON.stringify([offered, texts]);
  if (shown !== picker.shown) {
    const focused = root.activeElement?.value;
    root.replaceChildren(...offered.length ? [list(picker, fields, offered)] : []);
    if (focused) root.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
  }
  picker.shown = shown;
  for (const radio of root.querySelectorAll("input")) radio.checked = radio.value === fields.paymentType;
}

/** @param {any} picker @param {any} fields @param {string[]} types */
function list(picker, fields, types) {
  const { methods, lang, pick } = fields.texts;
  const labels = types.map((type) => {
    const { name, fee } = methods[type];
    const onchange = () => { picker.chosen = fields.paymentType = type; };
    const radio = make("input", { type: "radio", name: "method", value: type, onchange });
    return make("label", {}, radio, make("span", { textContent: name }), ...fee ? [make("small", { textContent: fee })] : []);
  });
  return make("fieldset", { lang }, make("legend", { textContent: pick }), ...labels);
}
