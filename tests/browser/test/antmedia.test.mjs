// Apps on Ant Media's SDK need no change: @antmedia/webrtc_adaptor as it comes from npm, in real Chromium.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openApp } from '../lab/antmedia.mjs'
import { Call, until } from '../lab/call.mjs'

async function start(t, set = {}) {
  const call = await Call.start({ set })
  t.after(() => call.stop())
  return call
}

describe('peer to peer', () => {
  test('two who join see each other, and who was there first offers', async t => {
    const call = await start(t)
    const [first, second] = [await openApp(call), await openApp(call)]
    await first.call('join', 'duo')
    assert.equal((await first.told('joined')).streamId, 'duo')
    await second.call('join', 'duo')
    await second.told('joined')
    await Promise.all([first.sees(1), second.sees(1)])
    assert.deepEqual(Object.keys(await first.lab('connections')), ['duo'], 'the connection is that of the room')
    await second.call('peerMessage', 'duo', 'greeting', 'hello')
    const message = await first.told('peerMessageCommand')
    assert.deepEqual([message.streamId, message.definition, message.data], ['duo', 'greeting', 'hello'])

    await second.call('leave', 'duo')
    await second.told('leaved')
    await until('the connection to be closed', async () => !('duo' in (await first.lab('connections'))))
    await second.call('join', 'duo')
    await Promise.all([first.sees(1), second.sees(1)])
    for (const app of [first, second]) assert.deepEqual(await app.errors(), [])
  })

  test('an app for two has no room for a third until a socket dies', async t => {
    const call = await start(t, { 'antmedia.two_peer_apps': '["live"]' })
    const [first, second, third] = [await openApp(call), await openApp(call), await openApp(call)]
    await first.call('join', 'duo')
    await first.told('joined')
    await second.call('join', 'duo')
    await Promise.all([first.sees(1), second.sees(1)])
    await third.call('join', 'duo')
    assert.equal((await third.refused('NoSpaceForNewPeer')).streamId, 'duo')
    await first.sees(1)
    await second.close()
    await until('the slot to be free', async () => !('duo' in (await first.lab('connections'))))
    await third.call('join', 'duo')
    await Promise.all([first.sees(1), third.sees(1)])
  })

  test('three and four make a mesh', async t => {
    const call = await start(t)
    const apps = []
    for (let count = 0; count < 4; count++) {
      const app = await openApp(call)
      await app.call('join', 'quartet')
      await app.told('joined')
      apps.push(app)
    }
    await Promise.all(apps.map(app => app.sees(3)))
    assert.equal(await call.mode('quartet'), 'mesh')
    const [gone, ...rest] = apps
    await gone.close()
    await Promise.all(rest.map(app => app.sees(2)))
    for (const app of rest) assert.equal(Object.keys(await app.lab('connections')).length, 2)
  })

  test('it meets the native client in one room, whoever comes first', async t => {
    const call = await start(t)
    const app = await openApp(call)
    await app.call('join', 'lab')
    await app.told('joined')
    const native = await call.participant()
    await native.join()
    const later = await openApp(call)
    await later.call('join', 'lab')
    await Promise.all([app.sees(2), later.sees(2)])
    await until('the native client to see both', async () => {
      const stats = await native.lab('stats')
      return stats.filter(({ kind, framesDecoded }) => kind === 'video' && framesDecoded > 3).length === 2
    })
    assert.equal(await native.mode(), 'mesh')
    await app.channel('lab')
    await app.call('sendData', 'lab', 'from one to the other')
    await until('it at the native client', async () => {
      const { heard } = await native.lab('messages')
      return heard.some(({ data }) => data === 'from one to the other')
    })
  })
})

describe('by way of the server', () => {
  test('a player and a publisher talk to each other', async t => {
    const call = await start(t)
    const [publisher, player, other] = [await openApp(call), await openApp(call, { play: true }), await openApp(call, { play: true })]
    await publisher.call('publish', 'cam')
    await publisher.told('publish_started')
    for (const app of [player, other]) {
      await app.call('play', 'cam')
      await app.channel('cam')
    }
    await publisher.call('sendData', 'cam', 'to all players')
    await player.call('sendData', 'cam', 'to the publisher and the others')
    for (const app of [player, other]) await app.heard('cam', 'to all players')
    for (const app of [publisher, other]) await app.heard('cam', 'to the publisher and the others')
  })

  test('what one publishes others play, and it ends for them with it', async t => {
    const call = await start(t)
    const publisher = await openApp(call)
    const player = await openApp(call, { play: true })
    await player.call('play', 'cam')
    assert.equal((await player.refused('no_stream_exist')).streamId, 'cam')
    await player.call('stop', 'cam')

    await publisher.call('publish', 'cam')
    assert.equal((await publisher.told('publish_started')).streamId, 'cam')
    const before = (await publisher.events()).filter(({ name }) => name.startsWith('reconnection')).length
    assert.equal(before, 0, 'the answer came before the SDK lost patience')
    await player.call('play', 'cam')
    assert.equal((await player.told('play_started')).streamId, 'cam')
    const [track] = await player.sees(1)
    assert.deepEqual([track.streamId, track.trackId], ['cam', 'ARDAMSvcam'])

    await player.call('toggleVideo', 'cam', 'cam', false)
    const read = async kind => (await player.lab('received')).find(track => track.kind === kind && !track.ended)
    await until('the picture to stand still while sound goes on', async () => {
      const [{ frames }, { packets }] = [await read('video'), await read('audio')]
      await until('a second of sound', async () => (await read('audio')).packets > packets + 50)
      return (await read('video')).frames === frames
    })
    await player.call('toggleVideo', 'cam', 'cam', true)
    await player.sees(1)
    await player.call('toggleAudio', 'cam', 'cam', false)
    await until('the sound to stand still while the picture goes on', async () => {
      const { packets } = await read('audio')
      await player.sees(1)
      return (await read('audio')).packets === packets
    })
    await player.call('toggleAudio', 'cam', 'cam', true)
    const { packets } = await read('audio')
    await until('the sound to go on', async () => (await read('audio')).packets > packets + 20)
    await player.call('forceStreamQuality', 'cam', 240)
    assert.equal((await player.told('resolutionChangeInfo')).streamHeight, 240)
    await player.sees(1)

    const door = (path, options) => fetch(`${call.server.http}/live${path}`, options)
    await until('the broadcast', async () => (await door('/streams/cam.m3u8')).ok)
    const probe = await door('/streams/cam_adaptive.m3u8', { method: 'HEAD' })
    assert.deepEqual([probe.status, probe.headers.get('access-control-allow-origin')], [200, '*'])
    const playlist = await (await door('/streams/cam.m3u8')).text()
    const media = playlist.split('\n').find(line => line.startsWith('/hls/cam/'))
    assert.ok((await fetch(call.server.http + media)).ok, 'it leads to what is played')
    const shown = await (await door('/rest/v2/broadcasts/cam')).json()
    assert.deepEqual([shown.streamId, shown.status, shown.subTrackStreamIds], ['cam', 'broadcasting', []])

    assert.ok((await (await door('/rest/v2/broadcasts/cam/stop', { method: 'POST' })).json()).success)
    await publisher.told('publish_finished')
    assert.equal((await player.told('play_finished')).streamId, 'cam')
  })

  test('a conference: the first in an empty room, joiners, leavers, and what is asked of it', async t => {
    const call = await start(t)
    const enter = async (name, app) => {
      await app.call('publish', name, null, null, null, `${name} Doe`, 'hall', `{"isMicMuted":false,"who":"${name}"}`)
      await app.call('play', 'hall')
    }
    const [ann, ben, cleo] = [await openApp(call), await openApp(call), await openApp(call)]
    await enter('ann', ann)
    assert.equal((await ann.told('publish_started')).room, 'hall')
    await ann.told('play_started')
    await enter('ben', ben)
    assert.equal((await ann.told('subtrackAdded')).trackId, 'ben')
    await Promise.all([ann.sees(1), ben.sees(1)])
    await enter('cleo', cleo)
    const seen = await Promise.all([ann.sees(2), ben.sees(2), cleo.sees(2)])
    assert.deepEqual(seen[0].map(({ trackId }) => trackId).sort(), ['ARDAMSvben', 'ARDAMSvcleo'])

    await ann.call('getBroadcastObject', 'hall')
    const hall = JSON.parse((await ann.told('broadcastObject', ({ streamId }) => streamId === 'hall')).broadcast)
    assert.deepEqual(hall.subTrackStreamIds.sort(), ['ann', 'ben', 'cleo'])
    await ann.call('getBroadcastObject', 'ben')
    const one = JSON.parse((await ann.told('broadcastObject', ({ streamId }) => streamId === 'ben')).broadcast)
    assert.equal(JSON.parse(one.metaData).who, 'ben')
    assert.deepEqual([one.name, one.mainTrackStreamId, one.status], ['ben Doe', 'hall', 'broadcasting'])
    await ann.call('getSubtracks', 'hall', '', 0, 50)
    const list = (await ann.told('subtrackList')).subtrackList.map(text => JSON.parse(text).streamId)
    assert.deepEqual(list.sort(), ['ann', 'ben', 'cleo'])
    await ann.call('getSubtrackCount', 'hall', '', '')
    assert.equal((await ann.told('subtrackCount')).count, 3)
    const rest = async path => (await fetch(`${call.server.http}/live/rest/v2/broadcasts/hall/${path}`)).json()
    for (const path of ['subtracks', 'active-subtracks']) {
      const tracks = (await rest(`${path}/0/50`)).map(({ streamId }) => streamId)
      assert.deepEqual(tracks.sort(), ['ann', 'ben', 'cleo'])
      const part = await rest(`${path}/1/1`)
      assert.deepEqual([part.length, part[0].mainTrackStreamId], [1, 'hall'])
    }
    assert.equal((await rest('active-subtracks-count')).number, 3)

    for (const [app, name] of [[ann, 'ann'], [ben, 'ben'], [cleo, 'cleo']]) {
      await app.channel(name)
      await app.channel('hall')
    }
    const event = JSON.stringify({ eventType: 'MIC_MUTED', streamId: 'ann' })
    await ann.call('sendData', 'ann', event)
    await ben.call('sendData', 'hall', 'by the channel of the room')
    const long = [...Array(20_000).keys()].map(n => n % 256)
    await cleo.lab('sendBytes', 'cleo', long)
    for (const app of [ben, cleo]) await app.heard('hall', event)
    for (const app of [ann, cleo]) await app.heard('hall', 'by the channel of the room')
    for (const app of [ann, ben]) await app.heard('hall', long)
    for (const app of [ann, ben]) await app.heard('hall', JSON.stringify({ eventType: 'TRACK_LIST_UPDATED', streamId: 'hall' }))
    const own = (await ann.events()).filter(({ name, detail }) => name === 'data_received' && detail.data === event)
    assert.equal(own.length, 0, 'nobody hears itself')

    await ann.call('enableTrack', 'hall', 'ben', false)
    await until('ben to stand still', async () => (await ann.sees(1)).every(({ trackId }) => trackId === 'ARDAMSvcleo'))
    await ann.call('enableTrack', 'hall', 'ben', true)
    await ann.sees(2)

    await ben.call('stop', 'ben')
    await ben.call('stop', 'hall')
    for (const app of [ann, cleo]) {
      assert.equal((await app.told('subtrackRemoved')).trackId, 'ben')
      await app.told('removetrack', ({ trackId }) => trackId === 'ARDAMSvben')
      await app.sees(1)
    }
    await enter('ben', ben)
    await Promise.all([ann.sees(2), ben.sees(2), cleo.sees(2)])
    for (const app of [ann, ben, cleo]) assert.deepEqual(await app.errors(), [])
  })

  test('it picks one of the sizes that the native client sends', async t => {
    const call = await start(t, { 'room.mesh_limit': 1 })
    const native = await call.participant({ scale: 6 })
    await native.join()
    const app = await openApp(call, { play: true })
    await app.call('play', 'lab')
    await app.sees(1)
    for (const [asked, told, width] of [[180, 180, 240], ['360', 360, 480], ['auto', 0, 960], [180, 180, 240]]) {
      await app.call('forceStreamQuality', 'lab', asked)
      await until(`a picture ${width} wide`, async () => (await app.lab('received')).some(track => track.width === width))
      await app.sees(1)
      const { detail } = (await app.events()).findLast(({ name }) => name === 'resolutionChangeInfo')
      assert.equal(detail.streamHeight, told)
    }
    assert.deepEqual(await app.errors(), [])
  })

  test('it meets the native client in a room that the server carries', async t => {
    const call = await start(t)
    const native = await call.participant()
    await native.join()
    const app = await openApp(call)
    await app.call('publish', 'ann', null, null, null, 'Ann', 'lab')
    await app.call('play', 'lab')
    await app.sees(1)
    await until('the native client to see the app', async () => {
      const stats = await native.lab('stats')
      return stats.some(({ kind, path, framesDecoded }) => kind === 'video' && path === 'sfu' && framesDecoded > 3)
    })
    await app.channel('ann')
    await app.channel('lab')
    await app.call('sendData', 'ann', 'hello from the app')
    await app.lab('sendBytes', 'ann', [1, 2, 255])
    const heard = async () => (await native.lab('messages')).heard.map(({ data }) => data)
    await until('both at the native client', async () => (await heard()).length === 2)
    assert.deepEqual(await heard(), ['hello from the app', [1, 2, 255]])
    await native.lab('send', 'hello from the native client')
    await native.lab('send', { eventType: 'CHAT_MESSAGE' })
    await native.lab('send', [255, 0], { bytes: true })
    await app.heard('lab', 'hello from the native client')
    await app.heard('lab', '{"eventType":"CHAT_MESSAGE"}')
    await app.heard('lab', [255, 0])
    await until('an unreliable one to arrive', async () => {
      await native.lab('send', 'unreliable', { reliable: false })
      return (await app.events()).some(({ name, detail }) => name === 'data_received' && detail.data === 'unreliable')
    })
  })

  test('the fifth who joins peer to peer moves the room to the server', async t => {
    const call = await start(t, { 'room.demote_after_ms': 600_000 })
    const apps = []
    for (let count = 0; count < 5; count++) {
      const app = await openApp(call)
      await app.call('join', 'party')
      await app.told('joined')
      apps.push(app)
      if (count === 3) {
        await Promise.all(apps.map(app => app.sees(3)))
        await call.reaches('mesh', { room: 'party' })
      }
    }
    await call.reaches('sfu', { room: 'party' })
    const overServer = ({ streamId }) => streamId === 'party.down'
    await Promise.all(apps.map(app => app.sees(4, overServer)))
    for (const app of apps) {
      const open = Object.keys(await app.lab('connections')).sort()
      assert.deepEqual(open, ['party.down', 'party.up'], 'no link is left')
    }
  })
})

describe('where tokens are asked for', () => {
  const secrets = { stream: 'stream-stream-stream-stream-stre', rest: 'rest-rest-rest-rest-rest-rest-re' }
  const closed = { 'access.stream_secret': `'${secrets.stream}'`, 'access.rest_secret': `'${secrets.rest}'` }
  const soon = () => Math.floor(Date.now() / 1000) + 120
  const encode = part => Buffer.from(JSON.stringify(part)).toString('base64url')
  /** As any library makes it. */
  const jwt = (secret, claims) => {
    const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
  }
  const of = (streamId, type, more) => jwt(secrets.stream, { streamId, type, exp: soon(), ...more })
  const rest = async (call, path, options = {}) => {
    const headers = { authorization: jwt(secrets.rest, { sub: 'back end' }), 'content-type': 'application/json' }
    const response = await fetch(`${call.server.http}/live/rest/v2/broadcasts${path}`, { headers, ...options })
    assert.ok(response.ok, `${path}: ${response.status}`)
    return response.json()
  }
  const onceFor = async (call, stream, type) =>
    (await rest(call, `/${stream}/token?expireDate=${soon()}&type=${type}`)).tokenId
  const isOpen = async app => {
    await app.call('getBroadcastObject', 'nowhere')
    await app.told('error', ({ streamId }) => streamId === 'nowhere')
  }

  test('the right one publishes and plays, a wrong one is unauthorized, and the socket stays open', async t => {
    const call = await start(t, closed)
    const [publisher, player] = [await openApp(call), await openApp(call, { play: true })]
    for (const [id, token] of [['bare', undefined], ['other', of('cam', 'publish')], ['type', of('type', 'play')]]) {
      await publisher.call('publish', id, token)
      assert.equal((await publisher.refused('unauthorized_access')).definition, 'unauthorized_access')
      assert.equal((await publisher.told('error', ({ streamId }) => streamId === id)).definition, 'unauthorized_access')
      await publisher.call('stop', id)
      await isOpen(publisher)
    }
    await publisher.call('publish', 'cam', of('cam', 'publish'))
    assert.equal((await publisher.told('publish_started')).streamId, 'cam')

    await player.call('play', 'cam', of('cam', 'publish'))
    assert.equal((await player.refused('unauthorized_access')).streamId, 'cam')
    await player.call('stop', 'cam')
    await isOpen(player)
    await player.call('play', 'cam', of('cam', 'play'))
    await player.sees(1)

    const playlist = async token => (await fetch(`${call.server.http}/live/streams/cam.m3u8?token=${token}`)).status
    await until('the broadcast', async () => (await playlist(of('cam', 'play'))) === 200)
    assert.deepEqual([await playlist(''), await playlist(of('other', 'play'))], [401, 403])
    const token = await onceFor(call, 'cam', 'play')
    assert.deepEqual([await playlist(token), await playlist(token)], [200, 401], 'one for one time is good once')
  })

  test('a token for one time lets one in, and a conference takes those that name it', async t => {
    const call = await start(t, closed)
    const [ann, ben, thief] = [await openApp(call), await openApp(call), await openApp(call)]
    const enter = async (app, id) => {
      await app.call('publish', id, of(id, 'publish', { roomId: 'hall' }), null, null, id, 'hall')
      await app.call('play', 'hall', of(id, 'play', { roomId: 'hall' }))
    }
    await enter(ann, 'ann')
    await ann.told('publish_started')
    await enter(ben, 'ben')
    await Promise.all([ann.sees(1), ben.sees(1)])
    for (const app of [ann, ben]) assert.deepEqual(await app.errors(), [])

    const token = await onceFor(call, 'solo', 'publish')
    const solo = await openApp(call)
    await solo.call('publish', 'solo', token)
    await solo.told('publish_started')
    await thief.call('publish', 'solo', token)
    assert.equal((await thief.refused('unauthorized_access')).streamId, 'solo')
    await thief.call('stop', 'solo')
    await isOpen(thief)
  })

  test('what happens to a stream is told to the address that its broadcast names', async t => {
    const told = []
    const receiver = createServer((request, response) => {
      request.setEncoding('utf8')
      let body = ''
      request.on('data', part => (body += part))
      request.on('end', () => {
        told.push(JSON.parse(body))
        response.end()
      })
    })
    receiver.listen(0, '127.0.0.1')
    await once(receiver, 'listening')
    const directory = mkdtempSync(join(tmpdir(), 'crescendo-hooks-'))
    const hooks = { 'webhooks.broadcast_hooks': 'json', 'webhooks.allow_private': true, 'webhooks.directory': directory }
    const call = await start(t, { ...closed, ...hooks })
    t.after(() => {
      receiver.close()
      rmSync(directory, { recursive: true, force: true })
    })
    const listenerHookURL = `http://127.0.0.1:${receiver.address().port}/hook`
    await rest(call, '/create', { method: 'POST', body: JSON.stringify({ streamId: 'cam', name: 'Front door', listenerHookURL }) })
    const publisher = await openApp(call)
    await publisher.call('publish', 'cam', of('cam', 'publish'), null, null, 'Front door', null, '{"floor":1}')
    await publisher.told('publish_started')
    await publisher.call('stop', 'cam')
    await until('both to be told', async () => told.length === 2)
    assert.deepEqual(told.map(({ action, id, app }) => [action, id, app]), [
      ['liveStreamStarted', 'cam', 'live'],
      ['liveStreamEnded', 'cam', 'live'],
    ])
    assert.deepEqual([told[0].streamName, told[0].metadata], ['Front door', { floor: 1 }])
    assert.ok(Number(told[1].timestamp) >= Number(told[0].timestamp))
  })
})
