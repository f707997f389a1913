// What people type and what it becomes: functions of text alone, by the kind of field.

/** Slug, name, tile, first digits, lengths; the page fills it in. @type {[string, string, string, string, number[]][]} */
export const brands = [];
const plain = (/** @type {string} */ text) => text.normalize("NFKC").trim();
const digits = (/** @type {string} */ text) => plain(text).replace(/\D/g, "");

/** @param {string} number */
export function brandOf(number) {
  const [id, name, tile, , lengths] = brands.find((brand) => RegExp(`^(${brand[3]})`).test(digits(number))) ?? [];
  return { id, name, tile, lengths, code: id ? id === "american_express" ? 4 : 3 : undefined };
}

/** @param {string} text @param {number[]} sizes */
function group(text, sizes) {
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

/** What a value is shown as once it is whole. @type {Record<string, (text: string) => string>} */
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
  name: (text) => plain(text).replace(/\s+/g, " "),
  email: (text) => plain(text).replace(/\s/g, ""),
  // Hiragana and half-width kana become full-width katakana.
  kana: (text) => plain(text).replace(/[ぁ-ゖ]/g, (kana) => String.fromCharCode(kana.charCodeAt(0) + 96)),
  prepaid: (text) => group(plain(text).replace(/[^0-9A-Za-z]/g, ""), [4, 4, 4, 4]),
};

/** While it is typed. @type {Record<string, (text: string, deleting: boolean) => string>} */
export const shapes = {
  number: tidy.number,
  code: digits,
  prepaid: tidy.prepaid,
  expiry: (text, deleting) => {
    const [, month, year] = /^(\d\d?)\s*[/.-]\s*(\d*)/.exec(plain(text)) ?? [];
    if (month) return deleting && !year ? month : `${month.padStart(2, "0")} / ${year}`;
    const run = digits(text).replace(/^[2-9]/, deleting ? "$&" : "0$&");
    return run.length > 2 ? `${run.slice(0, 2)} / ${run.slice(2)}` : run;
  },
};

/** What the request has, where that is not what is shown. @type {Record<string, (text: string) => object | null>} */
export const sent = {
  number: (text) => ({ number: digits(text) }),
  expiry: readExpiry,
  prepaid: (text) => ({ prepaid_number: tidy.prepaid(text).replaceAll(" ", "") }),
  // As it is dialled in Japan.
  phone: (text) => ({ phone: digits(plain(text).replace(/^\+81[-\s(]*0?\)?/, "0")) }),
};

/**
 * What is wrong with a value: a key of the words. now: by the server's clock. code: how long a security code is.
 * @type {Record<string, (text: string, now: number, code?: number) => string | false>}
 */
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
  name: (text) => !/^[\p{Script=Latin} .'’,/-]*$/u.test(tidy.name(text)) ? "e_roman"
    : !/^.{2,45}$/.test(tidy.name(text)) && "invalid_parameter",
  email: (text) => !/^[^@]{1,64}@([^@.,]+\.)+[-\p{Alpha}\d]+$/u.test(tidy.email(text)) && "e_mail",
  phone: (text) => !/^\d{8,15}$/.test(digits(text)) && "invalid_parameter",
  kana: (text) => !/^[ァ-ヶー・ ]+$/.test(tidy.kana(text)) && "e_kana",
  prepaid: (text) => {
    const { length } = tidy.prepaid(text).replaceAll(" ", "");
    return length < 16 ? "e_short" : length > 20 && "e_long";
  },
};
