// The types of <komoju-fields> and <komoju-picker>, for shops written in TypeScript. Copy this file beside your own.

export interface KomojuPaymentMethod {
  type: string;
  amount?: number;
  currency?: string;
  exchange_rate?: number;
  customer_fee?: number;
  offsite?: boolean;
  additional_fields?: string[];
  /** Cards: slugs. Konbini: stores by slug. */
  brands?: string[] | Record<string, { icon: string }>;
}

/** A session as the API shows it to a publishable key. */
export interface KomojuSession {
  id: string;
  resource: "session";
  mode: "payment" | "customer" | "customer_payment";
  amount: number;
  currency: string;
  session_url: string;
  return_url: string | null;
  default_locale: string;
  payment_methods: KomojuPaymentMethod[];
  created_at: string;
  cancelled_at: string | null;
  completed_at: string | null;
  status: "pending" | "completed" | "cancelled";
  expired: boolean;
}

/** In a text, a form's value too, a token is its id. */
export interface KomojuToken {
  id: string;
  resource: "token";
  payment_details: { type: string };
}

export interface KomojuError {
  code: string;
  message: string;
  param?: string | null;
}

export interface KomojuFieldsElement extends HTMLElement {
  komojuApi: string | null;
  sessionId: string | null;
  session: KomojuSession | null;
  publishableKey: string | null;
  paymentType: string | null;
  locale: string | null;
  theme: string | null;
  token: boolean;
  name: string | null;
  /** Pay; in token mode make a token. Without a result it did not work, and an event has said why. */
  submit(): Promise<KomojuToken | undefined>;
  /** Send the form around the element without a token. */
  submitParentForm(): void;
}

export interface KomojuPickerElement extends HTMLElement {
  fields: string | null;
  locale: string | null;
  theme: string | null;
}

export interface KomojuEventMap {
  "komoju-session-change": CustomEvent<{ session: KomojuSession }>;
  "komoju-invalid": CustomEvent<{ errors: { field: string; message: string }[] }>;
  /** Cancel it, and the element shows nothing itself. */
  "komoju-error": CustomEvent<{ error: KomojuError | string }>;
  "komoju-locale-change": CustomEvent<{ locale: string }>;
}

declare global {
  interface HTMLElementTagNameMap {
    "komoju-fields": KomojuFieldsElement;
    "komoju-picker": KomojuPickerElement;
  }
  interface HTMLElementEventMap extends KomojuEventMap {}
  interface DocumentEventMap extends KomojuEventMap {}
  interface Window {
    /** Accepted and not needed: this element reports nothing to anybody. */
    komojuErrorReporting?: boolean;
  }
}
