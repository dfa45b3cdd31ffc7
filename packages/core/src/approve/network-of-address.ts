/**
 * Which addresses count as one when tries are counted.
 * @module
 */

/** The IPv4 address, or the /64 that one IPv6 customer has to themselves; `undefined` for what is no address. */
export function networkOfAddress(address: string): string | undefined {
  // The WHATWG URL standard has one spelling for each address; what is none of these becomes a name, or nothing.
  const { hostname = '' } = URL.parse(`http://${address.includes(':') ? `[${address}]` : address}/`) ?? {};
  if (/^\d+\.\d+\.\d+\.\d+$/.test(hostname)) return hostname;
  if (!hostname.startsWith('[')) return undefined;
  const [left = '', right] = hostname.slice(1, -1).split('::');
  const [head, tail] = [groupsOf(left), groupsOf(right ?? '')];
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
  const [high = 0, low = 0] = groups.slice(6);
  // RFC 4291, section 2.5.5.2: an IPv4 address on a socket that takes both.
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
