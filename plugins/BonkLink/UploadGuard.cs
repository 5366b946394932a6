// While an agent drives, and until its run was left for the main menu, the game's scores stay here: the setting is
// off and the upload's own methods are blocked. Other people's boards are theirs.
using System;
using Assets.Scripts.Managers;
using HarmonyLib;

namespace BonkLink;

public sealed class UploadGuard
{
    private static readonly (string Type, string Method)[] Uploads =
    {
        ("SteamLeaderboardsManagerNew", "QueueLeaderboardUpload"),
        ("SteamLeaderboardsManagerNew", "UploadLeaderboardScore"),
    };

    private static bool _blocks;
    private readonly Action<string> _log;
    private readonly Harmony _harmony;
    private int? _before;

    public UploadGuard(string plugin, Action<string> log)
    {
        _harmony = new Harmony(plugin + ".uploads");
        _log = log;
    }

    public void Patch()
    {
        var unless = new HarmonyMethod(AccessTools.Method(typeof(UploadGuard), nameof(UnlessBlocked)));
        foreach (var (type, name) in Uploads)
        {
            var methods = 0;
            foreach (var method in AccessTools.GetDeclaredMethods(AccessTools.TypeByName(type) ?? typeof(UploadGuard)))
            {
                if (method.Name == name)
                {
                    _harmony.Patch(method, unless);
                    methods++;
                }
            }
            if (methods == 0)
            {
                Guarded.Once(name, $"uploads: this game has no {type}.{name}; only the setting keeps scores here");
            }
        }
    }

    /// <summary>Called each frame: blocked from an agent's first action to a main menu without one.</summary>
    public void Hold(bool isDriven)
    {
        if (isDriven && !_blocks)
        {
            _blocks = true;
            _log("an agent drives: scores of this run are not uploaded");
        }
        else if (_blocks && !isDriven && MapController.IsMainMenu())
        {
            Release();
            _log("the agent's runs are over: scores are uploaded again as the settings say");
        }
        if (_blocks)
        {
            TurnOff();
        }
    }

    public void Release()
    {
        _blocks = false;
        var settings = SaveManager.Instance?.config?.cfGameSettings;
        if (_before is { } before && settings != null)
        {
            settings.upload_score_to_leaderboard = before;
        }
        _before = null;
    }

    private void TurnOff()
    {
        var settings = SaveManager.Instance?.config?.cfGameSettings;
        if (settings != null && settings.upload_score_to_leaderboard != 0)
        {
            _before ??= settings.upload_score_to_leaderboard;
            settings.upload_score_to_leaderboard = 0;
        }
    }

    private static bool UnlessBlocked() => !_blocks;
}
