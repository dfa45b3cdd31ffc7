/**
 * Where the REST API of GitHub is.
 * @module
 */
import { ConfigurationError } from '@countersign/core';

/** Throws `ConfigurationError` for an address to which a token would travel in the clear. */
export function checkBaseUrl(baseUrl = 'https://api.github.com'): string {
  const url = URL.parse(baseUrl);
  const local = url !== null && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && local);
  if (url === null || !safe || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new ConfigurationError(
      'GitHub base URL: expected https://host, or http to this machine, without user or query',
    );
  }
  return url.href.replace(/\/+$/, '');
}
