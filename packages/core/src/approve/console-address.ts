import { ConfigurationError } from '../errors.ts';
import { isLoopback } from '../loopback.ts';

/**
 * The address of a console as links in notices begin, without a slash at its end. Whoever follows one signs in there.
 * @throws ConfigurationError unless it is https, or http on this machine, without user, query and fragment
 */
export function consoleAddress(text: string): string {
  const url = URL.parse(text);
  const bare = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (bare && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))) {
    return url.href.replace(/\/+$/, '');
  }
  throw new ConfigurationError('the url of the console is https (or http on this machine), without user and query');
}
