// Why there is no frame in a <komoju-fields>, as far as the API tells.

/** An error as the API writes it. @param {string} src the frame's address @param {string} key */
export async function why(src, key) {
  const { origin, searchParams } = new URL(src);
  const headers = { authorization: `Basic ${btoa(`${key}:`)}` };
  const doubt = `Is komoju-api right, and is ${location.origin} among the origins the merchant has registered there?`;
  const unknown = { code: "frame_unavailable", message: `No payment fields came from ${origin}. ${doubt}` };
  try {
    const reply = await fetch(`${origin}/api/v1/sessions/${searchParams.get("session")}`, { headers });
    return (await reply.json()).error ?? unknown;
  } catch {
    return unknown;
  }
}
