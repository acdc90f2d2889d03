import type { LIMITS } from "../protocol/limits.ts";

// The protocol's own, held equal by their types: a bundle would take the whole table for a few of them.
export const FRAME_BYTES: typeof LIMITS.frameBytes = 65_536;
export const TEMP_ID_LENGTH: typeof LIMITS.tempIdLength = 64;
export const COMMANDS_PER_SECOND: typeof LIMITS.commandsPerSecond = 20;
export const COMMAND_BURST: typeof LIMITS.commandBurst = 40;
export const PAGE_SIZE: typeof LIMITS.pageSizeDefault = 50;
