// The dialog of <komoju-fields>: the issuer's page, and a question before it is given up.

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`dialog { box-sizing: border-box; width: min(36rem, 100vw); max-width: none; height: min(44rem, 100vh);
  max-height: none; padding: 0; border: 0; border-radius: 12px; overflow: hidden; background: #fff; color: #1d2126; }
dialog[open] { display: flex; flex-direction: column; }
dialog::backdrop { background: rgb(20 23 26 / .6); }
dialog iframe { flex: 1; width: 100%; height: auto; margin: 0; }
dialog > div, dialog span { display: flex; flex-wrap: wrap; align-items: center; justify-content: end; gap: 8px; }
dialog > div { padding: 8px; }
dialog p { flex: auto; margin: 0 8px; font-weight: 600; }
button { min-height: 44px; padding: 0 16px; border: 1px solid #84898f; border-radius: 8px; background: #fff;
  color: inherit; font: inherit; cursor: pointer; }
button:focus-visible { outline: 3px solid #2458c6; outline-offset: 2px; }
[hidden] { display: none !important; }`);

/** @param {string} tag @param {object} properties @param {...Node} inside @returns {any} */
function make(tag, properties, ...inside) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
}

/**
 * Open it. tell: hears of each page that has come in it ("load"), and of its end ("closed").
 * @param {ShadowRoot} root @param {string} url @param {Record<string, string>} words @param {string} lang
 * @param {(event: string) => void} tell
 */
export function show(root, url, words, lang, tell) {
  if (!root.adoptedStyleSheets.includes(STYLE)) root.adoptedStyleSheets.push(STYLE);
  /** @param {string} textContent @param {() => void} onclick */
  const button = (textContent, onclick) => make("button", { type: "button", textContent, onclick });
  const frame = make("iframe", { src: url, title: words.title, onload: () => tell("load") });
  const bar = make("div", {}, button(words.stop, () => ask(true)));
  const proceed = button(words.proceed, () => ask(false));
  const end = button(words.stop, () => dialog.close());
  const question = make("div", { hidden: true }, make("p", { textContent: words.mid }), make("span", {}, proceed, end));
  const ask = (/** @type {boolean} */ on) => {
    [bar.hidden, question.hidden] = [on, !on];
    (on ? proceed : frame).focus();
  };
  /** @type {HTMLDialogElement} */
  const dialog = make("dialog", { ariaLabel: words.title, lang }, bar, question, frame);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    ask(true);
  });
  // Escape where the issuer's page has the focus, which tells us: not every browser does.
  const listen = (/** @type {MessageEvent} */ { source, origin, data }) => {
    const ours = source === frame.contentWindow && origin === new URL(url).origin;
    if (ours && data?.komojuFields === "escape") ask(true);
  };
  addEventListener("message", listen);
  dialog.addEventListener("close", () => {
    removeEventListener("message", listen);
    dialog.remove();
    tell("closed");
  });
  root.append(dialog);
  dialog.showModal();
  frame.focus();
  return dialog;
}
