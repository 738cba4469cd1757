// Apps on Ant Media's SDK need no change: @antmedia/webrtc_adaptor as it comes from npm, in real Chromium.
import assert from 'node:assert/strict'
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
    await player.call('forceStreamQuality', 'cam', 240)
    assert.equal((await player.told('resolutionChangeInfo')).streamHeight, 0, 'there is one rendition')

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
    const call = await start(t, { 'room.mesh_limit': 2, 'room.demote_after_ms': 600_000 })
    const apps = []
    for (let count = 0; count < 3; count++) {
      const app = await openApp(call)
      await app.call('join', 'party')
      await app.told('joined')
      apps.push(app)
      if (count === 1) await Promise.all(apps.map(app => app.sees(1)))
    }
    await call.reaches('sfu', { room: 'party' })
    const overServer = ({ streamId }) => streamId === 'party.down'
    await Promise.all(apps.map(app => app.sees(2, overServer)))
    for (const app of apps) {
      const open = Object.keys(await app.lab('connections')).sort()
      assert.deepEqual(open, ['party.down', 'party.up'], 'no link is left')
    }
  })
})
