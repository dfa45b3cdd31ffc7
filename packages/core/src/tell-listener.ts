/**
 * Tells a listener of the application, such as `onReport`. It is not waited for, and what it throws, at once or later,
 * neither changes what is done here nor ends the process.
 */
export function tellListener<News>(listener: ((news: News) => unknown) | undefined, news: News): void {
  (async () => listener?.(news))().catch(() => undefined);
}
