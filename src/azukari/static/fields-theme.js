// What a theme of <komoju-fields> says, wherever it stands.

/** Fields without the shop's colours serve a shopper better than none. */
const PATIENCE_MS = 5_000;

/** The text of a theme: CSS as it is, in a data: address, or at any other. @param {string | null} theme */
export async function css(theme) {
  if (!theme || /[{;]|^\s*--/.test(theme) && !theme.startsWith("data:")) return theme ?? "";
  const [, base64, data] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(theme) ?? [];
  try {
    if (data !== undefined) return base64 ? atob(data) : decodeURIComponent(data);
    const late = new AbortController();
    setTimeout(() => late.abort(), PATIENCE_MS);
    return await (await fetch(new URL(theme, document.baseURI), { signal: late.signal })).text();
  } catch (error) {
    console.warn("komoju-fields: the theme could not be read.", error);
    return "";
  }
}
