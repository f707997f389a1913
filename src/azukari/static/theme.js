// How a shop may dress the frame: a short list of custom properties, each held against its own grammar, and colours only
// as long as they can be read.

/** Ours, light and dark, by the names shops use. @type {Record<string, Record<string, string>>} */
const OURS = {
  light: {
    text: "#1d2126", soft: "#565d66", surface: "#ffffff", edge: "#84898f", accent: "#1f5a4e", focus: "#2458c6", bad: "#b3261e",
  },
  dark: {
    text: "#eceeef", soft: "#a8b0b8", surface: "#1c2024", edge: "#79828b", accent: "#7cc9b4", focus: "#9dbcff", bad: "#ff9d92",
  },
};
/** The properties they become. @type {Record<string, string>} */
const ROLES = {
  text: "--ink", soft: "--soft", surface: "--surface", edge: "--edge", accent: "--accent", focus: "--focus", bad: "--bad",
};
/** Lengths and weights: property, least, most, unit. @type {Record<string, [string, number, number, string]>} */
const SIZES = {
  size: ["font-size", 16, 20, "px"], "label-weight": ["--label", 400, 700, ""], radius: ["--r-m", 0, 24, "px"],
  height: ["--tap", 44, 64, "px"], gap: ["--gap", 8, 24, "px"],
};
/** What declarations of themes made for the older element mean, by selector. @type {[RegExp, Record<string, string>][]} */
const OLDER = [
  [/input.*:focus/, { "border-top-color": "focus" }],
  [/error|invalid/, { color: "bad" }],
  [/^[^:]*\binput\b[^:]*$/, {
    color: "text", "background-color": "surface", "border-top-color": "edge", "border-top-left-radius": "radius",
    "font-family": "font", "font-size": "size",
  }],
  [/^[^:]*\blabel\b[^:]*$/, { color: "text", "font-family": "font" }],
];
const COLOUR = /^(#[0-9a-f]{3}|#[0-9a-f]{6}|(rgb|hsl)a?\([\d\s.,%/a-z]+\)|(?!inherit|initial|revert|unset|currentcolor)[a-z]+)$/i;
const FONT = /^[\p{L}\p{N} ,"'_-]{1,200}$/u;

/** Red, green and blue of an opaque colour, 0 to 255. @param {string} text @returns {number[] | null} */
function rgb(text) {
  const probe = document.createElement("i");
  probe.style.color = text;
  document.body.append(probe);
  const found = probe.style.color && /^rgb\((\d+), (\d+), (\d+)\)$/.exec(getComputedStyle(probe).color);
  probe.remove();
  return found ? found.slice(1).map(Number) : null;
}

/** @param {string} text */
function luminance(text) {
  const parts = (rgb(text) ?? [0, 0, 0]).map((part) => part / 255);
  const [r, g, b] = parts.map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Whether letters of a colour, written in any way a browser knows, stand on a dark page. @param {string} color */
function isLight(color) {
  const probe = document.createElement("i");
  probe.style.color = color;
  // Mixed with itself it is in parts of 1 of red, green and blue, be it oklch() or a wider gamut.
  probe.style.color = `color-mix(in srgb, ${color}, ${color})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  const [r, g, b] = found.match(/[\d.e-]+/g)?.map(Number) ?? [0, 0, 0];
  return r * 2 + g * 5 + b > (found.startsWith("rgb") ? 1_020 : 4);
}

/** 1 to 21. Source: WCAG 2.2, "contrast ratio". @param {string} one @param {string} other */
function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** What a theme's text sets, by name; the browser's own parser reads it, and nothing of it is applied. @param {string} css */
function read(css) {
  /** @type {Record<string, string>} */
  const found = {};
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css.includes("{") ? css : `:root{${css}}`);
  for (const rule of sheet.cssRules) {
    if (!(rule instanceof CSSStyleRule)) continue;
    const known = OLDER.find(([selector]) => selector.test(rule.selectorText))?.[1] ?? {};
    for (const name of rule.style) {
      const meant = /^--fields-(.+)$/.exec(name)?.[1] ?? known[name];
      if (meant) found[meant] = rule.style.getPropertyValue(name).trim();
    }
  }
  return found;
}

/**
 * The frame's look. css: the shop's theme. font, color: its page's letters.
 * @param {{css: string, font: string, color: string}} given
 */
export function dress({ css, font, color }) {
  const root = document.documentElement;
  const wanted = read(css);
  /** @type {string[]} */
  const dropped = [];
  /** @type {Record<string, string>} */
  const colours = {};
  const { scheme: named } = wanted;
  const scheme = named === "light" || named === "dark" ? named : isLight(color) ? "dark" : "light";
  const ours = OURS[scheme];
  root.removeAttribute("style");
  root.dataset.scheme = scheme;
  if (FONT.test(font) && CSS.supports("font-family", font)) root.style.setProperty("--font", font);
  for (const [name, value] of Object.entries(wanted)) {
    const [property, least, most, unit] = SIZES[name] ?? [];
    const number = /^\d+(\.\d+)?/.exec(value)?.[0];
    if (ROLES[name] && COLOUR.test(value) && rgb(value)) colours[name] = value;
    else if (number && value === number + unit && +number >= least && +number <= most) root.style.setProperty(property, value);
    else if (name === "font" && FONT.test(value) && CSS.supports("font-family", value)) root.style.setProperty("--font", value);
    else if (name !== "scheme" || !["light", "dark", "auto"].includes(value)) dropped.push(name);
  }
  // What cannot be read goes, together with the surface it stands on, until everything can.
  for (let again = true; again;) {
    again = false;
    const surface = colours.surface ?? ours.surface;
    for (const name of Object.keys(ROLES)) {
      const least = ["edge", "focus"].includes(name) ? 3 : 4.5;
      if (name === "surface" || contrast(colours[name] ?? ours[name], surface) >= least) continue;
      for (const one of [name, "surface"].filter((each) => colours[each])) {
        dropped.push(one);
        delete colours[one];
        again = true;
      }
    }
  }
  for (const [name, value] of Object.entries(colours)) root.style.setProperty(ROLES[name], value);
  // Ours would be a tint of another colour.
  if (colours.accent || colours.surface) root.style.setProperty("--wash", "var(--surface)");
  const names = dropped.map((name) => `--fields-${name}`).join(", ");
  if (names) console.warn(`komoju-fields: the theme's ${names} cannot be used.`);
  return scheme;
}
