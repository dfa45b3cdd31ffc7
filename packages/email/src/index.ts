/**
 * Approvals by e-mail, and codes that sign in for one request.
 * @module
 */
export { emailChannel } from './email-channel.ts';
export type { EmailChannelOptions } from './email-channel.ts';
export type { MailRecipient, Sender } from './deliver.ts';
export { mailCodes } from './mail-codes.ts';
export type { MailCodes, MailCodesOptions, MailSignedIn } from './mail-codes.ts';
export type { MailTransport, MailTransporter } from './transport.ts';
