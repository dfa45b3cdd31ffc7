/**
 * Where a webhook may go: addresses of the public internet, checked after DNS answered.
 * @module
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** An option under this name lets a webhook go to this machine, in clear text: for development. */
export const dangerouslyPostToLoopback: unique symbol = Symbol('dangerouslyPostToLoopback') as never;

/** Answers the addresses of a host name. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/** IANA special-purpose registries (RFC 6890), and what tunnels IPv4 in IPv6. */
const specialIpv4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
];
const specialIpv6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const special = blockList(specialIpv4, 'ipv4');
const specialOfSix = blockList(specialIpv6, 'ipv6');
/** Global unicast: everything else, unique local and mapped addresses among them, is refused as a whole. */
const globalUnicast = blockList(['2000::/3'], 'ipv6');
const loopback = blockList(['127.0.0.0/8'], 'ipv4');

function blockList(subnets: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', prefix] = subnet.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, 'ipv4');
  return isIP(address) === 6 && globalUnicast.check(address, 'ipv6') && !specialOfSix.check(address, 'ipv6');
}

function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && loopback.check(address, 'ipv4'));
}

/**
 * The address to connect to. Connect to exactly this one: asked again, DNS may say something else (rebinding).
 * @throws Error when any address of the host is not public
 */
export async function checkedAddress(url: URL, resolve: Resolve, allowLoopback: boolean): Promise<string> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const addresses = isIP(host) === 0 ? await resolve(host) : [host];
  const [first] = addresses;
  if (first === undefined) throw new Error(`no address for ${host}`);
  const strange = addresses.find((address) => !isPublic(address) && !(allowLoopback && isLoopback(address)));
  if (strange !== undefined) throw new Error(`a webhook goes to public addresses only: ${host} is ${strange}`);
  if (url.protocol !== 'https:' && !(allowLoopback && addresses.every(isLoopback))) {
    throw new Error('a webhook goes over https only');
  }
  return first;
}
