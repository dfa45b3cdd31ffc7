/**
 * Options that make a model provider run tools by itself, without a tool definition that could be seen.
 * @module
 */

/** Options of a request, or of a message, by provider. */
export type ProviderOptions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * Removed from the options of every provider, because an app may register a provider under any name: Anthropic's hosted
 * MCP servers, its containers (which carry skills), and the live search of xAI.
 */
const toolRunningOptions: readonly string[] = ['mcpServers', 'container', 'searchParameters'];

/** A copy without those options; the same object when it has none. */
export function withoutToolRunning<Options extends ProviderOptions>(options: Options | undefined): Options | undefined {
  if (options === undefined) return undefined;
  const dangerous = Object.values(options).some((entry) => toolRunningOptions.some((key) => Object.hasOwn(entry, key)));
  if (!dangerous) return options;
  const kept = Object.entries(options).map(([provider, entry]) => [
    provider,
    Object.fromEntries(Object.entries(entry).filter(([key]) => !toolRunningOptions.includes(key))),
  ]);
  return Object.fromEntries(kept) as Options;
}
