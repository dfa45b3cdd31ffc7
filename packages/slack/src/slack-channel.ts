/**
 * Tells a channel of Slack about requests: one card for each, changed as the request goes on.
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { ConfigurationError, type ApprovalChannel, type ApprovalNotice } from '@countersign/core';
import { consoleAddress } from '@countersign/core/channel';
import { cardOf, type Card } from './card.ts';
import { recordOf } from './record-of.ts';
import { createSlackApi, SlackFailure, type SlackAccess, type SlackApi } from './slack-api.ts';

export interface SlackChannelOptions extends SlackAccess {
  /** Id of a conversation, `C…`, or of a person for a direct message, `U…`; not a name, which can change its owner. */
  readonly channel: string | ((notice: ApprovalNotice) => string);
  /** Address of the console. Cards link to its page of the request. */
  readonly consoleUrl?: string;
  /** Default `slack`. */
  readonly name?: string;
  /**
   * Looks in the conversation before a card is posted whose message is not known, so that a lost answer of Slack's never
   * makes a second one. Needs the scope `channels:history` (`groups:history` in a private one). Default: no.
   */
  readonly readsHistory?: boolean;
}

/** Where a card is. */
interface Place {
  readonly channel: string;
  /** Slack's name of a message within its conversation. */
  readonly ts: string;
}

const eventType = 'countersign_approval';
const channelForm = /^[CDGUW][A-Z0-9]{2,24}$/;
const tsForm = /^\d{1,12}\.\d{1,9}$/;
/** Of a card that is not there any more, or was never ours. */
const gone: ReadonlySet<string> = new Set(['message_not_found', 'cant_update_message']);
/** Slack's answers to a `client_msg_id` whose first message was deleted. */
const forgotten: ReadonlySet<string> = new Set(['duplicate_message_not_found', 'duplicate_channel_not_found']);

/** @throws ConfigurationError */
export function slackChannel(options: SlackChannelOptions): ApprovalChannel {
  const { channel, name = 'slack' } = options;
  const api = createSlackApi(options);
  const consoleUrl = options.consoleUrl === undefined ? undefined : consoleAddress(options.consoleUrl);
  if (typeof channel === 'string') checkedChannel(channel);
  const channelOf = (notice: ApprovalNotice): string =>
    checkedChannel(typeof channel === 'string' ? channel : channel(notice));

  async function show(notice: ApprovalNotice, reference: string | undefined): Promise<Place> {
    const card = cardOf(notice, consoleUrl);
    const known = readReference(reference) ?? (options.readsHistory === true ? await find(notice) : undefined);
    if (known !== undefined && (await update(api, known, card))) return known;
    const posted = await post(notice, card);
    // Slack may have answered with the card of a first try, which says that the request is open.
    if (notice.state !== 'pending') await update(api, posted, card);
    return posted;
  }

  async function post(notice: ApprovalNotice, card: Card): Promise<Place> {
    const event_payload = { approval: notice.id };
    const message = {
      channel: channelOf(notice),
      ...contentOf(card),
      metadata: { event_type: eventType, event_payload },
    };
    const send = (client_msg_id: string) => api('chat.postMessage', { ...message, client_msg_id });
    const answer = await send(messageId([name, notice.tenant, notice.id])).catch((error: unknown) => {
      if (error instanceof SlackFailure && forgotten.has(error.code)) return send(randomUUID());
      throw error;
    });
    const place = placeOf(answer['channel'], answer['ts']);
    if (place === undefined) throw new SlackFailure('chat.postMessage', 'unknown_error');
    return place;
  }

  /** Direct messages are not looked through: the conversation of a person has an id of its own. */
  async function find(notice: ApprovalNotice): Promise<Place | undefined> {
    const conversation = channelOf(notice);
    if (/^[UW]/.test(conversation)) return undefined;
    return findCard(api, conversation, notice);
  }

  return {
    name,
    live: true,
    async opened(notice, reference) {
      const { channel: conversation, ts } = await show(notice, reference);
      return `${conversation}/${ts}`;
    },
    async closed(notice, reference) {
      await show(notice, reference);
    },
  };
}

/** Answers whether the card was there. */
async function update(api: SlackApi, place: Place, card: Card): Promise<boolean> {
  try {
    await api('chat.update', { ...place, ...contentOf(card) });
    return true;
  } catch (error) {
    if (error instanceof SlackFailure && gone.has(error.code)) return false;
    throw error;
  }
}

/** Nothing in it is taken for markup, neither by Slack's default nor by a setting of the workspace. */
function contentOf({ text, blocks }: Card): Record<string, unknown> {
  return { text, blocks, mrkdwn: false, parse: 'none', link_names: false, unfurl_links: false, unfurl_media: false };
}

const historyPages = 5;
/** Slack's clock and ours. */
const clockSkewSeconds = 300;

/** The card that a post left whose answer was lost. Whoever may post here can pretend to one; it cannot be changed then. */
async function findCard(api: SlackApi, channel: string, { id, createdAt }: ApprovalNotice): Promise<Place | undefined> {
  const oldest = String(Math.floor(createdAt / 1000) - clockSkewSeconds);
  let cursor: string | undefined;
  for (let page = 0; page < historyPages; page += 1) {
    const asked = {
      channel,
      oldest,
      include_all_metadata: true,
      limit: 200,
      ...(cursor === undefined ? {} : { cursor }),
    };
    const { messages, response_metadata } = await api('conversations.history', asked);
    const cards = (Array.isArray(messages) ? messages : []).map(recordOf).filter(({ metadata }) => {
      const { event_type, event_payload } = recordOf(metadata);
      return event_type === eventType && recordOf(event_payload)['approval'] === id;
    });
    // The oldest is the one that was posted first.
    const place = placeOf(channel, cards.at(-1)?.['ts']);
    if (place !== undefined) return place;
    const { next_cursor } = recordOf(response_metadata);
    if (typeof next_cursor !== 'string' || next_cursor === '') return undefined;
    cursor = next_cursor;
  }
  return undefined;
}

/** The same for every try, in the form of a UUID, as Slack's own clients send it. */
function messageId(parts: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function readReference(reference: string | undefined): Place | undefined {
  const [channel, ts] = (reference ?? '').split('/');
  return placeOf(channel, ts);
}

function placeOf(channel: unknown, ts: unknown): Place | undefined {
  if (typeof channel !== 'string' || typeof ts !== 'string') return undefined;
  return channelForm.test(channel) && tsForm.test(ts) ? { channel, ts } : undefined;
}

function checkedChannel(channel: string): string {
  if (channelForm.test(channel)) return channel;
  throw new ConfigurationError('a channel of Slack is given by its id, such as C0123456789');
}
