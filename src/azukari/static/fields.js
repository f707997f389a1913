// <komoju-fields> and <komoju-picker>: payment inputs in a shop's own page. They stand in a frame on the origin this file
// comes from, which never sees what is typed.

/** @typedef {{id: string}} Session */

const HERE = new URL(import.meta.url).origin;
/** Attributes that are properties too. */
const NAMES = {
  komojuApi: "komoju-api", sessionId: "session-id", publishableKey: "publishable-key", paymentType: "payment-type",
  locale: "locale", theme: "theme", name: "name",
};
/** @type {Set<KomojuFields>} */
const elements = new Set();
/** @type {Set<KomojuPicker>} */
const pickers = new Set();
/** Forms of which a submit is under way, and those whose submit is ours. @type {WeakSet<Element>} */
const working = new WeakSet(), passing = new WeakSet();
const redraw = () => pickers.forEach((one) => one.render());
/** Ends with the press that is on: nothing moves away from under it. */
let pressed = Promise.resolve();

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`:host { display: block; }
:host([hidden]) { display: none; }
iframe { display: block; width: calc(100% + 6px); height: 3rem; margin: -3px; border: 0; }
[role=alert] { color: #b3261e; }`);
/** What few pages need comes when they need it. @param {string} name @returns {Promise<any>} */
const more = (name) => import(`${HERE}/static/fields-${name}.js`);

/** @param {string} tag @param {object} [properties] @param {...(Node | string)} inside @returns {any} */
function make(tag, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
}

/** The form around an element, also from inside other components. @param {Node | null} node @returns {HTMLFormElement | null} */
function formAround(node) {
  while (node && !(node instanceof HTMLFormElement)) node = node.parentNode ?? /** @type {any} */ (node).host ?? null;
  return node;
}

/** Send a form past us. @param {HTMLFormElement} form @param {any} submitter the button that was pressed */
function send(form, submitter) {
  passing.add(form);
  try {
    form.requestSubmit(submitter?.form === form && !submitter.disabled ? submitter : null);
  } finally {
    passing.delete(form);
  }
}

/** Before anybody else sees it: whoever handles the form's submit gets it with the tokens in it. @param {any} event */
async function onSubmit(event) {
  const form = event.composedPath()[0], { submitter } = event;
  const inside = [...elements].filter((one) => formAround(one) === form);
  // What is not shown is not what the shopper has chosen.
  const own = inside.filter((one) => one.checkVisibility?.() ?? true);
  if (passing.has(form)) return;
  if (!working.has(form)) for (const one of inside) one.forget();
  if (!own.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (working.has(form)) return;
  working.add(form);
  try {
    for (const one of own) {
      one.submitter = submitter;
      if (!await one.submit()) return;
    }
  } finally {
    working.delete(form);
  }
  send(form, submitter);
}

class KomojuFields extends HTMLElement {
  static observedAttributes = [...Object.values(NAMES), "session", "token"];

  #root = this.attachShadow({ mode: "open" });
  /** @type {HTMLIFrameElement | null} */
  #frame = null;
  /** @type {MessagePort | null} */
  #port = null;
  /** @type {HTMLDialogElement | null} */
  #dialog = null;
  /** @type {Session | null} */
  #session = null;
  /** The same, if it came from the shop's page. @type {Session | null} */
  #given = null;
  /** Where the frame is, or should be. */
  #src = "";
  #starting = false;
  /** The type we have set ourselves: the session's first. */
  first = "";
  /** @type {string | null} */
  #theme = null;
  #css = "";
  /** @type {Map<number, (out: any) => void>} */
  #asked = new Map();
  #n = 0;
  /** Those who wait for the frame. @type {((there: boolean) => void)[]} */
  #waiting = [];
  #there = false;
  /** Why there is no frame. @type {object | null} */
  #trouble = null;
  /** What the frame calls the methods. @type {any} */
  texts = null;
  /** @type {any} */
  submitter = null;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [STYLE];
  }

  /** The session as the API shows it, once it is known. */
  get session() { return this.#session; }
  set session(session) {
    if (typeof session === "string") session = JSON.parse(session || "null");
    this.#given = session;
    if (session) {
      this.#session = session;
      // Of the two, the one set last counts.
      if (this.getAttribute("session-id")) this.setAttribute("session-id", session.id);
      this.#tell("komoju-session-change", { session });
    }
    this.#start();
  }

  get token() { return this.hasAttribute("token"); }
  set token(on) { this.toggleAttribute("token", !!on); }

  connectedCallback() {
    elements.add(this);
    // What a framework has set before this file came.
    for (const name of /** @type {(keyof this)[]} */ ([...Object.keys(NAMES), "session", "token"])) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    formAround(this)?.getRootNode().addEventListener("submit", onSubmit, true);
    this.#start();
  }

  async disconnectedCallback() {
    elements.delete(this);
    // A frame that is moved starts anew.
    this.#lose();
    this.#dialog?.remove();
    await null;
    if (!this.isConnected) this.#wake(false);
  }

  /** @param {string} name @param {string | null} _ @param {string | null} value */
  attributeChangedCallback(name, _, value) {
    if (name === "session") this.session = /** @type {any} */ (value);
    this.#start();
  }

  /** Pay, or in token mode make a token. Nothing: it did not work, and an event has said why. @returns {Promise<any>} */
  async submit() {
    await null; // What was set just before counts.
    const missing = { code: "frame_unavailable", message: "session-id and publishable-key are needed." };
    const error = this.#frame ? this.#trouble : missing;
    if (error) this.#tell("komoju-error", { error });
    if (error || !(this.#there || await new Promise((woken) => this.#waiting.push(woken)))) return;
    const out = await new Promise((answered) => {
      this.#asked.set(++this.#n, answered);
      this.#port?.postMessage({ do: "submit", n: this.#n });
    });
    if (out?.go) location.assign(out.go);
    if (!out?.token) return;
    // In a text, a form's value too, it is its id.
    const token = Object.defineProperty(out.token, "toString", { value: () => out.token.id });
    const name = this.getAttribute("name") || "komoju_token";
    this.forget();
    this.append(make("input", { type: "hidden", name, value: token.id }));
    return token;
  }

  /** A token of an earlier try goes with no form. */
  forget() {
    this.querySelector(":scope > input")?.remove();
  }

  focus() {
    this.#frame?.focus();
    this.#port?.postMessage({ do: "focus" });
  }

  /** Send the form around the element without a token. */
  submitParentForm() {
    const form = formAround(this);
    this.forget();
    if (form) send(form, this.submitter);
  }

  get #origin() {
    return new URL(this.getAttribute("komoju-api") || HERE, HERE).origin;
  }

  /** @returns {boolean} whether the shop's page has cancelled it @param {string} name @param {object} detail */
  #tell(name, detail) {
    const cancelable = name === "komoju-error";
    return !this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable }));
  }

  // The frame.

  /** Once for all attributes that are set together. */
  async #start() {
    if (this.#starting) return;
    this.#starting = true;
    await null;
    this.#starting = false;
    if (!this.isConnected) return;
    const id = this.getAttribute("session-id") || this.#given?.id || "";
    if (this.#session?.id !== id) this.#session = this.#given = null;
    const query = new URLSearchParams({ session: id, origin: location.origin });
    const src = id && this.getAttribute("publishable-key") ? `${this.#origin}/fields/frame?${query}` : "";
    redraw();
    if (src === this.#src) {
      if (this.#port) this.#set();
      return;
    }
    this.#lose();
    this.#trouble = this.texts = null;
    if (this.getAttribute("payment-type") === this.first) this.removeAttribute("payment-type");
    this.#src = src;
    const all = `${src}&locale=${encodeURIComponent(this.getAttribute("locale") ?? "")}`;
    const onload = () => setTimeout(() => this.#absent(src), 1_000);
    this.#frame = src ? make("iframe", { src: all, title: "", allow: "payment *", onload }) : null;
    this.#root.replaceChildren(this.#frame ?? "");
  }

  #lose() {
    this.#port?.close();
    this.#port = null;
    this.#there = false;
    for (const answered of this.#asked.values()) answered(null);
    this.#asked.clear();
  }

  /** @param {boolean} there */
  #wake(there) {
    this.#there = there;
    for (const woken of this.#waiting.splice(0)) woken(there);
  }

  /** There is a page, but it is not our frame, or we may not show it: why, as far as the API tells. @param {string} src */
  async #absent(src) {
    if (src !== this.#src || !this.isConnected || this.#port) return;
    const unknown = { code: "frame_unavailable", message: `No payment fields came from ${this.#origin}.` };
    // Who brings no frame may not bring this either.
    const error = await more("absent").then(({ why }) => why(src, this.getAttribute("publishable-key"), unknown), () => unknown);
    if (this.#port) return;
    this.#trouble = error;
    const cancelled = this.#tell("komoju-error", { error });
    console.error("komoju-fields:", error.message);
    if (!cancelled) this.#root.append(make("p", { role: "alert", textContent: error.message }));
    this.#wake(false);
  }

  /** A frame has come. @param {MessageEvent} event */
  meet({ source, origin, ports: [port] }) {
    if (!this.#frame || source !== this.#frame.contentWindow || origin !== this.#origin) return;
    this.#lose();
    this.#root.querySelector("[role=alert]")?.remove();
    this.#trouble = null;
    this.#port = port;
    port.onmessage = ({ data }) => port === this.#port && this.#hear(data);
    this.#set();
  }

  async #set() {
    const port = this.#port, theme = this.getAttribute("theme"), known = theme === this.#theme;
    // A submit may be next: only a theme is waited for.
    if (known || this.#there) this.#put();
    if (known) return;
    const text = await more("theme").then(({ css }) => css(theme), () => "");
    if (port !== this.#port || theme !== this.getAttribute("theme")) return;
    [this.#theme, this.#css] = [theme, text];
    this.#put();
  }

  #put() {
    const { fontFamily: font, color } = getComputedStyle(this);
    this.#port?.postMessage({
      do: "set", key: this.getAttribute("publishable-key"), type: this.getAttribute("payment-type"),
      locale: this.getAttribute("locale"), token: this.token, look: { css: this.#css, font, color },
      session: this.#given,
    });
  }

  /** @param {any} message */
  #hear(message) {
    const frame = this.#frame;
    if (!frame) return;
    switch (message.do) {
      case "height":
        pressed.then(() => { frame.style.height = `${Math.ceil(message.height)}px`; });
        return;
      case "scheme":
        // Of another scheme than its frame, a page would stand on a ground of its own.
        frame.style.colorScheme = message.scheme;
        return;
      case "texts":
        this.texts = message;
        Object.assign(frame, { title: message.title, lang: message.lang });
        if (!this.getAttribute("payment-type")) this.setAttribute("payment-type", this.first = message.type);
        this.#wake(true);
        redraw();
        return;
      case "event": {
        if (message.name === "komoju-session-change") this.#session = message.detail.session;
        const cancelled = this.#tell(message.name, message.detail);
        this.#port?.postMessage({ do: "answer", n: message.n, cancelled });
        redraw();
        return;
      }
      case "result":
        this.#asked.get(message.n)?.(message.out);
        this.#asked.delete(message.n);
        return;
      case "focus":
        this.focus();
        // Safari lets no frame bring itself into sight.
        frame.style.scrollMarginTop = `calc(50vh - ${message.top}px)`;
        frame.scrollIntoView();
        return;
      case "enter": {
        // As a browser does it: with the first button, and not while that is disabled.
        const form = formAround(this);
        /** @type {any} */
        const button = [...form?.elements ?? []].find((/** @type {any} */ { type }) => type === "submit");
        button ? button.click() : form?.requestSubmit();
        return;
      }
      case "dialog":
        this.#show(message);
    }
  }

  /** The issuer's questions, on a page of our origin; a message without an address ends it. @param {any} message */
  async #show({ url, words }) {
    const port = this.#port;
    if (!url) return this.#dialog?.close();
    const { show } = await more("dialog");
    if (port !== this.#port || new URL(url).origin !== this.#origin) return;
    const tell = (/** @type {string} */ event) => port?.postMessage({ do: "dialog", event });
    return this.#dialog = show(this.#root, url, words, this.texts.lang, tell);
  }
}

/** The picker itself comes when there is one in a page. */
class KomojuPicker extends HTMLElement {
  static observedAttributes = ["fields", "theme", "locale"];

  connectedCallback() {
    pickers.add(this);
    this.render();
  }

  disconnectedCallback() {
    pickers.delete(this);
  }

  attributeChangedCallback() {
    this.render();
  }

  /** The methods of the session, one of them chosen. */
  async render() {
    const { draw } = await more("picker");
    if (this.isConnected) draw(this);
  }
}

for (const [prototype, names] of /** @type {[object, object][]} */ ([
  [KomojuFields.prototype, NAMES], [KomojuPicker.prototype, { fields: "fields", locale: "locale", theme: "theme" }],
])) {
  for (const [name, attribute] of Object.entries(names)) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: true,
      get() { return this.getAttribute(attribute); },
      set(value) {
        if (value == null) this.removeAttribute(attribute);
        else this.setAttribute(attribute, value);
      },
    });
  }
}

addEventListener("mousedown", () => {
  pressed = new Promise((done) => addEventListener("mouseup", () => done(), { capture: true, once: true }));
}, true);
addEventListener("message", (event) => {
  if (event.data?.komojuFields === "frame") for (const one of elements) one.meet(event);
});
// Loaded twice, from two pages of a shop's making, it is still one.
if (!customElements.get("komoju-fields")) {
  customElements.define("komoju-fields", KomojuFields);
  customElements.define("komoju-picker", KomojuPicker);
}
