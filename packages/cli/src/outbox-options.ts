/**
 * Where the outbox delivers to: the options of `outbox run`, and of nothing else.
 * @module
 */
import { readPrivateFile } from '@countersign/core';
import { otlpSink, type OtlpSignal, type OtlpSinkOptions } from '@countersign/otlp';
import { CommandFailure } from './exit-codes.ts';
import { requireFile } from './files.ts';

export interface OutboxRunOptions {
  readonly store: string;
  readonly endpoint: string;
  readonly signals: readonly OtlpSignal[];
  readonly encoding: 'protobuf' | 'json';
  readonly gzip?: true;
  readonly headersFile?: string;
  readonly name: string;
  readonly serviceName: string;
  readonly discloseWith?: string;
  readonly once?: true;
  readonly json?: true;
}

const maxHeadersBytes = 16 * 1024;

export function sinkOf(options: OutboxRunOptions): ReturnType<typeof otlpSink> {
  const { endpoint, signals, encoding, name, serviceName, gzip, headersFile } = options;
  const settings: OtlpSinkOptions = {
    ...{ endpoint, signals, encoding, name, serviceName },
    ...(gzip === true ? { compression: 'gzip' as const } : {}),
    ...(headersFile === undefined ? {} : { headers: headersFrom(headersFile) }),
  };
  return otlpSink(settings);
}

/** `name: value`, one a line. They hold keys, so the file must have mode 0600, and no message repeats a line. */
function headersFrom(path: string): Readonly<Record<string, string>> {
  const lines = readPrivateFile(requireFile('headers file', path), maxHeadersBytes).toString('latin1').split('\n');
  const headers: Record<string, string> = {};
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const found = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\u0020-\u007e]+?)\r?$/.exec(line);
    if (found?.[1] === undefined || found[2] === undefined)
      throw new CommandFailure('usage', `line ${index + 1} of ${path} is no header`);
    headers[found[1].toLowerCase()] = found[2];
  }
  return headers;
}
