/**
 * HTML with every value escaped: only a template itself is markup.
 * @module
 */
import { html as template } from 'hono/html';

export type Html = ReturnType<typeof template>;

/** Tagged template; arrays are joined, `undefined` and `false` are nothing. There is no way around the escaping here. */
export const html: (strings: TemplateStringsArray, ...values: unknown[]) => Html = template;
