/**
 * Approvals over webhooks, signed by Standard Webhooks in both directions.
 * @module
 */
export { webhookChannel } from './webhook-channel.ts';
export type { WebhookChannelOptions } from './webhook-channel.ts';
export { webhookCallback } from './webhook-callback.ts';
export type { WebhookCallbackOptions } from './webhook-callback.ts';
export { dangerouslyPostToLoopback } from './checked-address.ts';
