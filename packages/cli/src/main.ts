#!/usr/bin/env node
import { Command } from 'commander';

await new Command('countersign').description('A checkpoint in front of every tool call of an AI agent').parseAsync();
