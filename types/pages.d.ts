// What the scripts of the pages take and give. For the check of types alone: nothing here is served.

/** An element, with whatever it has. */
interface Found {
  [member: string]: any;
  addEventListener(name: string, heard: (event: any) => any, options?: object): void;
}

type Find = (selector: string, within?: any) => Found;
type FindAll = (selector: string, within?: any) => Found[];
type Fill = (text: string, values: any) => string;
type Go = (url: string) => void;
/** Hands back what has the focus now. */
type GoTo = (control: any) => any;
type Wait = (ms: number) => Promise<null>;
type Write = (place: any, text: string) => void;
type Answer = { status: number, out: any } | null;
type Ask = (url: string, body?: object) => Promise<Answer>;
type Mark = (control: any, text: string | null, isDoubt?: boolean) => string | null;

/** By the kind of field. */
type By<T> = Record<string, T>;
type Tidy = By<(text: string) => string>;
type Shapes = By<(text: string, deleting: boolean) => string>;
type Sent = By<(text: string) => object | null>;
/** A key of the words. now: by the server's clock. code: how long a security code is. */
type Rules = By<(text: string, now: number, code?: number) => string | false>;

/** Slug, name, tile, first digits, lengths. */
type Brands = [string, string, string, string, number[]][];
type Page = { w: Record<string, string>, brands: string[], now: () => number };
