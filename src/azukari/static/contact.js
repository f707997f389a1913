// What people type beside a card's details: where a method is offered that asks for it.
import { digits, doubts, faults, group, holdsCard, plain, sent, shapes, tidy } from "./card.js";

/** @type {Tidy} */
const tidied = {
  email: (text) => plain(text).replaceAll("。", ".").replace(/^[\s\x85\u200b\u2060]+|[\s\x85\u200b\u2060]+$/g, ""),
  // Hiragana and half-width kana become full-width katakana, with the marks that follow them.
  kana: (text) => plain(text.replaceAll("゛", "\u3099").replaceAll("゜", "\u309a")).replace(/[‐-―−]/g, "-")
    .replace(/[ぁ-ゖゝゞ]/g, (kana) => String.fromCharCode(kana.charCodeAt(0) + 96)),
  prepaid: (text) => group(plain(text).replace(/[^0-9A-Za-z]/g, ""), [4, 4, 4, 4]),
};
Object.assign(tidy, tidied);
Object.assign(shapes, { prepaid: tidy.prepaid });

/** @type {Sent} */
const asked = {
  prepaid: (text) => ({ prepaid_number: tidy.prepaid(text).replaceAll(" ", "") }),
  // As it is dialled in Japan.
  phone: (text) => ({ phone: digits(plain(text).replace(/^\+81[-\s(]*0?\)?/, "0")) }),
};
Object.assign(sent, asked);

/** @type {Rules} */
const wrong = {
  // The server has the same rule: core/mail.py.
  email: (text) => {
    const mail = tidy.email(text);
    const unseen = /[\s\p{Cc}\p{Bidi_C}\u200b\u2060]/u.test(mail);
    const one = /^(?!.{256})[^(),:;<>@[\\\]]+@([^!-,./:-@[-^`{-~]+\.)*[^!-,./:-@[-^`{-~]*[\p{L}\p{M}\p{N}]$/u.test(mail);
    return (unseen || !one || holdsCard(mail)) && "e_mail";
  },
  phone: (text) => !/^\d{8,15}$/.test(digits(text)) && "invalid_parameter",
  // What banks know beside kana: capitals, digits and signs.
  kana: (text) => !/^[ァ-ヾㇰ-ㇿ\u3099\u309aA-Z\d ().,¥\\「」/-]+$/.test(tidy.kana(text)) && "e_kana",
  prepaid: (text) => {
    const { length } = tidy.prepaid(text).replaceAll(" ", "");
    return length < 16 ? "e_short" : length > 20 && "e_long";
  },
};
Object.assign(faults, wrong);

/** @type {Rules} */
const doubtful = {
  email: (text) => !tidy.email(text).split("@")[1].includes(".") && "e_mail",
  kana: (text) => !/[ァ-ヺ]/.test(tidy.kana(text)) && "e_kana",
};
Object.assign(doubts, doubtful);
