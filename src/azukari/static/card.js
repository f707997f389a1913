// What people type of a card and what it becomes: functions of text alone, by the kind of field.

/** The page fills it in. @type {Brands} */
export const brands = [];
export const plain = (/** @type {string} */ text) => text.normalize("NFKC").trim();
export const digits = (/** @type {string} */ text) => plain(text).replace(/\D/g, "");

/** @param {string} number */
export function brandOf(number) {
  const [id, name, tile, , lengths] = brands.find((brand) => RegExp(`^(${brand[3]})`).test(digits(number))) ?? [];
  return { id, name, tile, lengths, code: id ? id === "american_express" ? 4 : 3 : undefined };
}

/** @param {string} text @param {number[]} sizes */
export function group(text, sizes) {
  let at = 0;
  return [...sizes, 99].map((size) => text.slice(at, at += size)).filter(Boolean).join(" ");
}

/** Month and year in whatever order people and programs write them. @param {string} text */
function readExpiry(text) {
  const run = plain(text).replace(/\s/g, "");
  const half = /^20\d\d(0[1-9]|1[0-2])$/.test(run) ? 4 : 2 - run.length % 2;
  const parts = /^(\d{1,4})\D+(\d{1,4})\D?$/.exec(run)?.slice(1) ?? [run.slice(0, half), run.slice(half)];
  const [month, year] = +parts[0] > 12 ? parts.reverse() : parts;
  return /^(0?[1-9]|1[0-2])$/.test(month) && /^(\d\d){1,2}$/.test(year)
    ? { month: +month, year: year.length === 2 ? 2000 + +year : +year } : null;
}

/** What a value is shown as once it is whole. @type {Tidy} */
export const tidy = {
  number: (text) => {
    const number = digits(text);
    const { id } = brandOf(number);
    const short = id === "diners_club" && number.length < 15;
    return group(number, id === "american_express" ? [4, 6, 5] : short ? [4, 6, 4] : [4, 4, 4, 4]);
  },
  expiry: (text) => {
    const { month = 0, year } = readExpiry(text) ?? {};
    return year ? `${100 + month}${year}`.replace(/^1(..)..(..)$/, "$1 / $2") : text;
  },
  code: digits,
  // NFKC would take these apart.
  name: (text) => text.replace(/[^´ำຳ]+/g, (run) => run.normalize("NFKC")).replace(/\s+/g, " ").trim(),
};

/** While it is typed. @type {Shapes} */
export const shapes = {
  number: tidy.number,
  code: digits,
  expiry: (text, deleting) => {
    const [, month, year] = /^(\d\d?)\s*[/.-]\s*(\d*)/.exec(plain(text)) ?? [];
    if (month) return deleting && !year ? month : `${deleting ? month : month.padStart(2, "0")} / ${year}`;
    const run = digits(text).replace(/^[2-9]/, deleting ? "$&" : "0$&");
    return run.length > 2 ? `${run.slice(0, 2)} / ${run.slice(2)}` : run;
  },
};

/** What the request has, where that is not what is shown. @type {Sent} */
export const sent = {
  number: (text) => ({ number: digits(text) }),
  expiry: readExpiry,
};

/** What is wrong with a value: a key of the words. @type {Rules} */
export const faults = {
  number: (text) => {
    const number = digits(text);
    const lengths = brandOf(number).lengths ?? [12, 13, 14, 15, 16, 17, 18, 19];
    if (!lengths.includes(number.length)) return number.length > Math.max(...lengths) ? "e_long" : "e_short";
    // Luhn: from the right, every second digit counts twice.
    const sum = [...number].reverse().reduce((so, digit, at) => so + (at % 2 ? +digit * 2 - (+digit > 4 ? 9 : 0) : +digit), 0);
    return sum % 10 > 0 && "invalid_number";
  },
  expiry: (text, now) => {
    const { month, year } = readExpiry(text) ?? {};
    if (!month || !year) return "e_exp";
    // Good through the last day of its month wherever on Earth that day ends last.
    const today = new Date(now - 43_200_000);
    const months = (year - today.getUTCFullYear()) * 12 + month - 1 - today.getUTCMonth();
    return months < 0 ? "card_expired" : months > 240 && "e_exp";
  },
  code: (text, _, code) => ![code ?? 3, code ?? 4].includes(digits(text).length) && "e_code",
  name: (text) => (holdsCard(text) || /[\p{Cc}\p{Bidi_C}]|^.{256}/u.test(tidy.name(text))) && "invalid_parameter",
};

/** No card's number in any other field. @param {string} text */
export function holdsCard(text) {
  const [, number = ""] = /(?:^|[^\dA-Za-z])(\d(?:[\s+-]{0,3}\d){12,18})(?![\dA-Za-z])/.exec(plain(text)) ?? [];
  return !!brandOf(number).id && !faults.number(number, 0);
}

/** What may be wrong, and is no bar. @type {Rules} */
export const doubts = {
  name: (text) => /[^\P{L}\p{Lm}\p{Script=Latin}]/u.test(text) ? "e_roman" : /^.{46}/u.test(tidy.name(text)) && "invalid_parameter",
};
