import type { RoomErrorCode } from 'crescendo-client'

/** Why a call could not start or is over, in words for the person, with what to do about it. */

export type Reason = { title: string; text: string; again: boolean }

const KNOWN: Partial<Record<RoomErrorCode, Reason>> = {
  'room-full': {
    title: 'This room is full',
    text: 'No more people fit in. Try again when somebody has left, or watch the broadcast if there is one.',
    again: true,
  },
  'server-full': {
    title: 'The server is full',
    text: 'It has as many calls as it can take. Try again in a few minutes.',
    again: true,
  },
  'token-refused': {
    title: 'You need an invitation',
    text: 'This call is not open to everybody, and the link has no invitation or one that is no longer good. Ask for a new link.',
    again: false,
  },
  'not-granted': {
    title: 'Your invitation is for something else',
    text: 'It is for another room, or does not let you take part as you tried to. Ask for another link.',
    again: false,
  },
  'too-many-publishers': {
    title: 'The call takes no more speakers',
    text: 'Try again when somebody has left, or watch the broadcast if there is one.',
    again: true,
  },
  'sfu-unreachable': {
    title: 'The media server cannot be reached',
    text: 'This room is too large for direct connections, and no media got through to the server in time. Try another network, or switch a VPN or firewall off; where the server is busy, a second try may do. An office network needs UDP to the server’s media port opened.',
    again: true,
  },
  unreachable: {
    title: 'The server cannot be reached',
    text: 'Check your connection and try again.',
    again: true,
  },
  interrupted: {
    title: 'The connection was lost',
    text: 'The call could not be picked up again. Join anew.',
    again: true,
  },
  timeout: {
    title: 'The connection was lost',
    text: 'The server did not hear from you for too long. Check your connection and join again.',
    again: true,
  },
  replaced: {
    title: 'You are in this call elsewhere',
    text: 'Another window has taken over. Close it to come back here.',
    again: true,
  },
  'shutting-down': { title: 'The server is restarting', text: 'Join again in a moment.', again: true },
  'bad-room-name': {
    title: 'That is not a room',
    text: 'The link may be cut off. Ask for it again.',
    again: false,
  },
  'encryption-differs': {
    title: 'This link does not fit the call',
    text: 'The call is encrypted end to end and your link has no key, or the other way round. Ask for the link that the others have.',
    again: false,
  },
  'encryption-unsupported': {
    title: 'This browser cannot encrypt calls',
    text: 'The call is encrypted end to end. Join it with a newer browser.',
    again: false,
  },
  'bad-version': {
    title: 'This page is out of date',
    text: 'The server has been updated. Load the page again.',
    again: true,
  },
}

/** What to say when the room reports `code`; `message` is the server's own explanation. */
export function reasonFor(code: string, message: string): Reason {
  return (
    KNOWN[code as RoomErrorCode] ?? {
      title: 'The call has stopped',
      text: message || 'Something went wrong. Join again.',
      again: true,
    }
  )
}
