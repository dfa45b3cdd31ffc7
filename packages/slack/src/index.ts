/**
 * Approvals in Slack: a card for each request, and what people decide on it.
 * @module
 */
export { slackChannel } from './slack-channel.ts';
export type { SlackChannelOptions } from './slack-channel.ts';
export { slackInteractions } from './slack-interactions.ts';
export type { SlackInteractions, SlackInteractionsOptions } from './slack-interactions.ts';
export type { SlackPerson } from './interaction.ts';
export type { SlackAccess, SlackClient } from './slack-api.ts';
