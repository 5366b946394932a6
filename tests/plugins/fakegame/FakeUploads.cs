// What the fake game sends to Steam: each method that queues or sends is called once, and it is counted which ran.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json.Nodes;
using HarmonyLib;

namespace FakeGame;

public sealed class FakeUploads
{
    private static readonly (string Type, string[] Methods)[] Known =
    {
        ("SteamLeaderboardsManagerNew", new[] { "QueueLeaderboardUpload", "UploadLeaderboardScore" }),
        ("Assets.Scripts.Steam.Leaderboards", new[] { "UploadScore" }),
        ("Assets.Scripts.Steam.SteamStatsManager",
            new[] { "OnStatUpdated", "SetCachedStats", "QueueUpload", "TryUploadStats" }),
        ("Assets.Scripts.Steam.SteamAchievementsManager",
            new[] { "TryUnlockAchievement", "QueueUpload", "TryUploadAchievements" }),
        ("Steamworks.SteamUserStats", new[] { "UploadLeaderboardScore", "SetAchievement", "SetStat", "StoreStats" }),
    };

    private readonly List<string> _sent = new();

    public FakeUploads()
    {
        // The program itself uses nothing of this assembly, so nothing would load it.
        AppDomain.CurrentDomain.Load("com.rlabrecque.steamworks.net");
    }

    public void Send()
    {
        _sent.Clear();
        foreach (var (type, methods) in Known)
        {
            foreach (var method in methods)
            {
                Harmony.Call(AccessTools.TypeByName(type)!, method, null, () => _sent.Add($"{type}.{method}"));
            }
        }
    }

    public void Report(JsonObject report)
    {
        report["sent"] = new JsonArray(_sent.Select(s => (JsonNode)s!).ToArray());
        report["upload_methods"] = Known.Sum(k => k.Methods.Length);
        report["upload_saved"] = SaveManager.Instance?.Saved;
        report["pauses"] = PauseHandler.Pauses;
        report["patched"] = new JsonArray(Harmony.Detoured.Select(s => (JsonNode)s!).ToArray());
    }
}
