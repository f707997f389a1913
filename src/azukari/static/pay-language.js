// The session page in another language: what was typed and chosen stays as it is.
import { check } from "./inputs.js";
import { all, find, write } from "./dom.js";
import { alert, controls, failed, follow, given, keep, speak, title, told, warn } from "./pay.js";

/** @param {any} link one of the switch's */
export async function change(link) {
  const locale = link.hreflang.slice(0, 2);
  if (!await speak(locale)) return;
  given.locale = locale;
  document.documentElement.lang = link.lang;
  for (const place of all("[data-t]")) write(place, told.t[place.dataset.t]);
  title();
  for (const other of all(".lang a")) other.ariaCurrent = other === link ? "true" : null;
  link.closest("details").open = false;
  find(".lang summary").focus();
  follow();
  for (const control of controls()) if (find(".err", control.closest(".field"))) check(control);
  if (told.shown && alert.firstChild) warn(told.shown, failed);
  keep();
}
