/**
 * Credentials from GitHub.
 * @module
 */
export { githubAppProvider } from './github-app-provider.ts';
export type { GithubAppProviderOptions } from './github-app-provider.ts';
export { fineGrainedTokenExpiry } from './fine-grained-token.ts';
export type { FineGrainedTokenOptions } from './fine-grained-token.ts';
