/**
 * What somebody sees who reads a mail, and what a client would act on.
 */
import { parse, type DefaultTreeAdapterTypes } from 'parse5';
import type { Received } from './mail-server.ts';

type Node = DefaultTreeAdapterTypes.Node;

function* elements(node: Node): Generator<DefaultTreeAdapterTypes.Element> {
  if ('tagName' in node) yield node;
  for (const child of 'childNodes' in node ? node.childNodes : []) yield* elements(child);
}

/** Tags and attributes of the HTML part, as a browser's parser takes them. */
export function markup({ mail }: Received): readonly string[] {
  return [...elements(parse(mail.html ?? ''))].flatMap(({ tagName, attrs }) => [
    tagName,
    ...attrs.map(({ name, value }) => `${tagName} ${name}=${value}`),
  ]);
}

export function htmlText({ mail }: Received): string {
  const texts = (node: Node): string =>
    'value' in node ? node.value : 'childNodes' in node ? node.childNodes.map(texts).join('') : '';
  return texts(parse(mail.html ?? ''));
}

/** Header lines but those that hold text for people, or chance letters: the subject, and what separates the parts. */
export function headerLines({ mail }: Received): readonly string[] {
  return mail.headers.flatMap(({ key, value }) => (key === 'subject' || key === 'content-type' ? [key] : [key, value]));
}

export function codeIn({ mail }: Received): string | undefined {
  return /^Your code: (\S+)$/m.exec(mail.text ?? '')?.[1];
}

export function linkIn({ mail }: Received): string {
  return /^https?:\/\/\S+$/m.exec(mail.text ?? '')?.[0] ?? '';
}
