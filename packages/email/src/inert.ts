/**
 * Text of strangers that no mail client makes anything of.
 *
 * Clients turn plain text into links by themselves. So what they look for is broken up by brackets, as people who handle
 * malware do: `https[:]//evil[.]example`. The brackets can be seen; the exact text stands at the console.
 * @module
 */
import { visible } from '@countersign/core/channel';

/** Schemes that clients link without `//` behind them. */
const schemes = (
  'mailto tel sms callto facetime sip sips skype xmpp im geo maps magnet news javascript vbscript data file about blob ' +
  'cid mid urn bitcoin ethereum webcal onenote outlook notes ms-[a-z-]+ itms[a-z-]* intent market whatsapp tg slack zoommtg'
).replaceAll(' ', '|');
const schemeColon = new RegExp(`(?<=(?:^|[^\\p{L}\\p{N}])(?:${schemes}))[:：]`, 'giu');
/** With what IDNA takes for a dot (UTS #46). Decimal fractions and most versions stay as they are. */
const nameDot = /(?<=\S)[.．。｡](?=[\p{L}_])|(?<=[\p{L}_])[.．。｡](?=\p{N})/gu;
const quad = /\d{1,3}(?:\.\d{1,3}){3}/g;

/** @param maxLength in UTF-16 units, of the text as it came; what is cut off shows as `…` */
export function inert(text: string, maxLength: number): string {
  const shown = text.length > maxLength ? `${text.slice(0, maxLength).replace(/[\uD800-\uDBFF]$/, '')}…` : text;
  return visible(shown)
    .replaceAll(/[:：](?=[/\\])/gu, (colon) => `[${colon}]`)
    .replaceAll(schemeColon, (colon) => `[${colon}]`)
    .replaceAll(quad, (address) => address.replaceAll('.', '[.]'))
    .replaceAll(nameDot, (dot) => `[${dot}]`)
    .replaceAll(/[@＠]/gu, (at) => `[${at}]`)
    .replaceAll(/(?<![\p{L}\p{N}/\\\]])(?:\/{2,}|\\{2,})(?=[\p{L}\p{N}])/gu, (slashes) => `[${slashes}]`);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}
