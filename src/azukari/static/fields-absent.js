// Why there is no frame in a <komoju-fields>, as far as the API tells.

/**
 * An error as the API writes it. unknown: what there is to say without an answer.
 * @param {string} src the frame's address @param {string} key @param {{code: string, message: string}} unknown
 */
export async function why(src, key, unknown) {
  const { origin, searchParams } = new URL(src);
  const headers = { authorization: `Basic ${btoa(`${key}:`)}` };
  const doubt = `Is komoju-api right, and is ${location.origin} among the origins the merchant has registered there?`;
  const doubtful = { ...unknown, message: `${unknown.message} ${doubt}` };
  try {
    const reply = await fetch(`${origin}/api/v1/sessions/${searchParams.get("session")}`, { headers });
    return (await reply.json()).error ?? doubtful;
  } catch {
    return doubtful;
  }
}
